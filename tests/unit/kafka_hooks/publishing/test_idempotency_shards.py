"""All workers of a service, and their successors, agree on an idempotency key."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from harness.context import settle
from hypothesis import given
from hypothesis import strategies as st

from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState
from pywatt_kafka import ConnectionState, ConnectionStatus, KafkaError, RecordPosition
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.peer_workers import UnreachablePeer
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.http.routes import Routes
from pywatt_services.kafka_hooks.publishing.idempotency_codec import (
    PART,
    StoredResponse,
    pack,
    read_handover,
    read_request,
    write_handover,
    write_request,
)
from pywatt_services.kafka_hooks.publishing.idempotency_shards import (
    HANDOVER,
    MOST_HOPS,
    IdempotencyShards,
    ShardState,
    owner_of,
)
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.publishing.publisher import Publisher
from pywatt_services.kafka_hooks.request_router import RequestRouter

LIMIT = 5.0


class Client:
    def __init__(self) -> None:
        self.exchange = HooksExchange(self)
        self.answers: asyncio.Queue[HttpResponse] = asyncio.Queue()

    is_same_user = True

    def respond(self, response: HttpResponse) -> None:
        self.answers.put_nowait(response)


@dataclass
class Writer:
    """A producer that acknowledges at once, or when the test allows it."""

    written: list[bytes | None]
    held: list[Callable[[], None]] = field(default_factory=list)
    hold: bool = False
    status = ConnectionStatus(ConnectionState.CONNECTED)

    def post(
        self, topic: str, value: bytes | None, done: Callable[[RecordPosition | KafkaError], None], **_: Any
    ) -> None:
        self.written.append(value)
        position = RecordPosition(topic, 0, len(self.written) - 1)
        if self.hold:
            self.held.append(lambda: done(position))
        else:
            done(position)


@dataclass
class Place:
    slot: int
    service: Service

    @property
    def table(self) -> MeshTable:
        return self.service.table


class Worker:
    def __init__(self, service: Service, slot: int, path: str) -> None:
        self.slot, self.path, self.alive = slot, path, True
        self.writer = Writer(service.written)
        publisher = Publisher(self.writer, PublishOptions(topics=frozenset({"orders"})))
        self.owners = IdempotencyShards(
            Place(slot, service), "hooks", path, service.tasks, publisher.idempotency_cache, post=service.post
        )
        publisher.use_shards(self.owners)
        self.application = RequestRouter(publisher, None, Routes([]))
        self.owners.handle_with(self.application.handle)

    def begin(self, key: bytes, body: bytes = b"{}") -> Client:
        client = Client()
        headers = [(b"idempotency-key", key), (b"x-plt-kafka-hooks-ack", b"1")]
        self.application.handle(Request("POST", "/topics/orders", b"", headers, body), client.exchange)
        return client

    async def publish(self, key: bytes, body: bytes = b"{}") -> tuple[int, bool]:
        """Return the status, and whether the answer is a replay."""
        answer = await self.begin(key, body).answers.get()
        return answer.status, (b"idempotent-replayed", b"true") in answer.headers


@dataclass
class Service:
    """Workers that call each other by their socket paths."""

    tasks: TaskGroup
    written: list[bytes | None] = field(default_factory=list)
    workers: list[Worker] = field(default_factory=list)
    table: MeshTable = field(default_factory=lambda: MeshTable(0))
    posts: list[str] = field(default_factory=list)

    def start(self, slot: int) -> Worker:
        worker = Worker(self, slot, f"/run/{len(self.workers)}")
        self.workers.append(worker)
        return worker

    def show(self, *workers: Worker, count: int | None = None) -> None:
        """Announce these workers to all of them."""
        endpoints = tuple(
            Endpoint(f"hooks/{each.slot}/{number}", f"unix:{each.path}") for number, each in enumerate(workers)
        )
        service = MeshService("hooks", ServiceState.READY, 1, endpoints, workers=count or len(workers))
        self.table = MeshTable(self.table.version + 1, {"hooks": service})

    async def post(self, path: str, target: str, body: bytes) -> HttpResponse | None:
        self.posts.append(target)
        worker = next(each for each in self.workers if each.path == path)
        if not worker.alive:
            raise UnreachablePeer(path)
        client = Client()
        worker.owners.receive(Request("POST", target, b"", [], body), client.exchange)
        return await client.answers.get()


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        yield Service(tasks)
        tasks.cancel_scope.cancel()


def key_of(slot: int, workers: int = 2) -> bytes:
    return next(key for number in range(1000) if owner_of("orders", key := b"%d" % number, workers) == slot)


async def test_same_key_at_any_worker_is_one_record() -> None:
    async with service() as s:
        workers = [s.start(0), s.start(1)]
        s.show(*workers)
        for slot in (0, 1):
            answers = [await workers[number % 2].publish(key_of(slot)) for number in range(6)]
            assert answers == [(200, False)] + [(200, True)] * 5
            assert (await workers[1 - slot].publish(key_of(slot), b"other"))[0] == 422
        assert len(s.written) == 2


async def test_owner_that_is_away_is_not_replaced() -> None:
    async with service() as s:
        first, second = s.start(0), s.start(1)
        s.show(first, second)
        second.alive = False
        s.show(first, count=2)
        answer = await first.begin(key_of(1)).answers.get()
        assert (answer.status, dict(answer.headers)[b"retry-after"]) == (503, b"1")
        s.show(first, second)
        assert await first.publish(key_of(1)) == (503, False)
        assert await first.publish(key_of(0)) == (200, False)
        assert len(s.written) == 1


async def test_memory_goes_from_each_worker_to_the_one_that_replaces_it() -> None:
    async with service() as s:
        old, other = s.start(0), s.start(1)
        s.show(old, other)
        key = key_of(0)
        assert await old.publish(key) == (200, False)
        new = s.start(0)
        assert await new.publish(key) == (200, True)  # by the old one, which has the memory
        s.show(new, other)
        for worker in (old, new, other):
            assert await worker.publish(key) == (200, True)
        assert await other.publish(b"0" * 9) == (200, False)
        await old.owners.hand_over(LIMIT)
        assert (old.owners.state, new.owners.state) == (ShardState.HANDED_OVER, ShardState.OWNER)
        old_keeps_its_connections = await old.publish(key)
        old.alive = False
        assert [old_keeps_its_connections, await new.publish(key), await other.publish(key)] == [(200, True)] * 3
        assert len(s.written) == 2


async def test_request_that_is_being_served_is_waited_for_and_new_ones_wait_for_the_handover() -> None:
    async with service() as s:
        old = s.start(0)
        s.show(old)
        old.writer.hold = True
        first = old.begin(b"a")
        new = s.start(0)
        s.show(new)
        s.tasks.start_soon(old.owners.hand_over, LIMIT)
        await settle()
        waiting = [old.begin(b"a"), new.begin(b"a"), old.begin(b"b")]
        await settle()
        assert all(client.answers.empty() for client in waiting)
        old.writer.held.pop()()
        assert [(await client.answers.get()).status for client in (first, *waiting)] == [200] * 4
        assert len(s.written) == 2


async def test_worker_that_died_leaves_nothing_behind_but_its_keys() -> None:
    async with service() as s:
        old = s.start(0)
        s.show(old)
        new = s.start(0)
        s.show(new)
        old.alive = False
        assert [await new.publish(b"a") for _ in range(2)] == [(200, False), (200, True)]


async def test_two_reloads_one_right_after_the_other() -> None:
    async with service() as s:
        workers = [s.start(0)]
        s.show(*workers)
        await workers[0].publish(b"a")
        for _ in range(2):
            workers.append(s.start(0))
            s.show(workers[-1])
        s.tasks.start_soon(workers[1].owners.hand_over, LIMIT)
        await settle()
        await workers[0].owners.hand_over(LIMIT)
        assert [worker.owners.state for worker in workers] == [
            ShardState.HANDED_OVER,
            ShardState.AWAITING_HANDOVER,
            ShardState.OWNER,
        ]
        for worker in workers:
            assert await worker.publish(b"a") == (200, True)


async def test_next_reload_begins_before_the_memory_has_come() -> None:
    async with service() as s:
        first = s.start(0)
        s.show(first)
        await first.publish(b"a")
        second = s.start(0)
        s.show(second)
        first.writer.hold = True
        waiting = first.begin(b"b")
        s.tasks.start_soon(first.owners.hand_over, LIMIT)
        await settle()
        s.tasks.start_soon(second.owners.hand_over, LIMIT)
        await settle()
        first.writer.held.pop()()
        assert (await waiting.answers.get()).status == 200
        await settle()
        assert (first.owners.state, second.owners.state) == (ShardState.HANDED_OVER, ShardState.OWNER)
        third = s.start(0)
        s.show(third)
        await second.owners.hand_over(LIMIT)
        assert [await third.publish(key) for key in (b"a", b"b")] == [(200, True)] * 2


async def test_worker_that_is_one_too_many_hands_its_keys_to_those_that_stay() -> None:
    async with service() as s:
        workers = [s.start(0), s.start(1)]
        s.show(*workers)
        key = key_of(1)
        await workers[0].publish(key)
        s.show(workers[0])
        await workers[1].owners.hand_over(LIMIT)
        workers[1].alive = False
        assert await workers[0].publish(key) == (200, True)


async def test_when_all_stop_nothing_is_handed_over(caplog: pytest.LogCaptureFixture) -> None:
    async with service() as s:
        workers = [s.start(0), s.start(1)]
        s.show(*workers)
        await workers[0].publish(key_of(0))
        s.posts.clear()
        for worker in workers:
            await worker.owners.hand_over(LIMIT)
        assert (s.posts, caplog.text) == ([], "")


async def test_failed_handover_is_said_and_does_not_send_requests_round_and_round(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with service() as s:
        old = s.start(0)
        s.show(old)
        new = s.start(0)
        s.show(new)
        new.alive = False
        await old.owners.hand_over(LIMIT)
        assert "could not be handed over" in caplog.text
        new.alive = True
        s.posts.clear()
        assert await new.publish(b"a") == (503, False)
        assert len(s.posts) == MOST_HOPS


async def test_what_is_not_from_a_worker_is_refused() -> None:
    async with service() as s:
        worker = s.start(0)
        for body in (b"", b"{}", b"[]", b'{"memories": [1], "last": true}', b'{"memories": null}', b'"\xff'):
            for target in (HANDOVER, "/relay"):
                client = Client()
                worker.owners.receive(Request("POST", target, b"", [], body), client.exchange)
                assert (await client.answers.get()).status == 400


def test_keys_are_spread_and_stay_when_a_worker_is_added() -> None:
    keys = [b"%d" % number for number in range(3000)]
    three = [owner_of("orders", key, 3) for key in keys]
    assert all(900 < count < 1100 for count in Counter(three).values())
    assert all(new in (old, 3) for old, new in zip(three, [owner_of("orders", key, 4) for key in keys], strict=True))


BYTES = st.binary(max_size=20)
ANSWERS = st.builds(HttpResponse, st.integers(200, 299), st.lists(st.tuples(BYTES, BYTES), max_size=3), BYTES)
MEMORIES = st.builds(StoredResponse, st.text(max_size=5), BYTES, BYTES, st.floats(0, 1e6), ANSWERS)


@given(st.lists(MEMORIES), st.booleans(), st.lists(st.tuples(BYTES, BYTES)), BYTES)
def test_what_is_sent_arrives(
    memories: list[StoredResponse], last: bool, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    assert read_handover(write_handover(memories, last=last)) == (memories, last)
    request = Request("POST", "/topics/a%20b", body, headers, body, "/p/topics/a%20b?", public=True)
    arrived = read_request(write_request(request))
    assert (arrived.hops, read_request(write_request(arrived)).hops) == (1, 2)
    for name in ("method", "path", "query", "headers", "body", "target", "public"):
        assert getattr(arrived, name) == getattr(request, name)


def test_memory_is_sent_in_parts() -> None:
    large = StoredResponse("orders", b"k", b"f", 1.0, HttpResponse(200, (), bytes(PART // 2)))
    assert [(len(part), last) for part, last in pack([large] * 3)] == [(1, False), (1, False), (1, True)]
    assert list(pack([])) == [([], True)]
