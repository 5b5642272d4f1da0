"""A Responder behind a worker and a real broker: answers, failures, restarts, and any number of instances."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Hooks, ReadRecords, RunHooks

from pywatt_kafka import (
    Call,
    KafkaError,
    KafkaUnavailable,
    Producer,
    RecordPosition,
    Reply,
    Responder,
    TopicPartition,
    consumer_lag,
)
from pywatt_kafka.request_response import responder as responding

pytestmark = pytest.mark.anyio


def document(broker: str, topic: str, **more: Any) -> dict[str, Any]:
    route = {"path": "/jobs/:id", "requestTopic": topic, "responseTopic": f"{topic}-responses", **more}
    return {"brokers": [broker], "requestResponse": [route]}


def responder(broker: str, topic: str, answer: Callable[[Call], Awaitable[Any]], **more: Any) -> Responder:
    made = Responder(topic, f"{topic}-responses", group=f"worker-{topic}", bootstrap_brokers=broker, **more)
    made(answer)
    return made


async def test_whatever_a_function_returns_becomes_the_answer(broker: str, topic: str, run_hooks: RunHooks) -> None:
    async def answer(call: Call) -> Any:
        match call.params["id"]:
            case "json":
                return {"method": call.method, "query": call.query, "type": call.content_type, "key": call.key is None}
            case "coded":
                return Reply(gzip.compress(call.json().encode()), content_encoding="gzip")
            case "text":
                return "ä"
            case "bytes":
                return b"\xff"
            case "none":
                return Reply(None, 204)
            case "reply":
                return Reply({"body": call.json()}, 201, "application/x")
            case _:
                raise ZeroDivisionError

    methods = ["GET", "POST"]
    async with run_hooks(document(broker, topic, methods=methods)) as hooks, responder(broker, topic, answer):

        async def ask(method: str, job: str, body: bytes = b"") -> tuple[int, bytes | None, bytes]:
            url = f"http://127.0.0.1:{hooks.port}/jobs/{job}"
            headers = [(b"content-type", b"text/x")]
            got = await hooks.mesh.request(method, url, headers=headers, body=body, timeout=LONG)
            return got.status, got.header(b"content-type"), got.body

        status, content_type, body = await ask("GET", "json?a=1&a=2")
        assert (status, content_type) == (200, b"application/json; charset=utf-8")
        assert json.loads(body) == {"method": "GET", "query": {"a": ["1", "2"]}, "type": "text/x", "key": True}
        assert await ask("POST", "text") == (200, b"text/plain; charset=utf-8", "ä".encode())
        assert await ask("POST", "bytes") == (200, b"application/octet-stream", b"\xff")
        assert (await ask("POST", "none"))[::2] == (204, b"")
        assert await ask("POST", "reply", b"1") == (201, b"application/x", b'{"body":1}')
        assert (await ask("POST", "reply", b"not JSON"))[0] == 500
        assert (await ask("POST", "broken"))[0] == 500
        coded = await hooks.post("/jobs/coded", gzip.compress(b'"body"'), [("content-encoding", b"gzip")])
        assert (coded.header(b"content-encoding"), gzip.decompress(coded.body)) == (b"gzip", b"body")
        assert (await ask("PUT", "json"))[0] == 404


async def test_several_instances_of_both_sides_with_a_restart_in_the_middle_mix_nothing_up(
    broker: str, topic: str, run_hooks: RunHooks
) -> None:
    begun = asyncio.Event()

    async def answer(call: Call) -> bytes:
        begun.set()
        return call.body

    async def ask(hooks: Hooks, body: bytes) -> None:
        got = await hooks.post("/jobs/1", body)
        assert (got.status, got.body) == (200, body)

    async with (
        run_hooks(document(broker, topic)) as first,
        run_hooks(document(broker, topic), slot=1) as second,
        responder(broker, topic, answer),
    ):
        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                for number in range(200):
                    tasks.start_soon(ask, (first, second)[number % 2], b"%d" % number)
                await begun.wait()
                async with responder(broker, topic, answer):
                    for number in range(200, 400):
                        tasks.start_soon(ask, (first, second)[number % 2], b"%d" % number)


async def test_requests_in_work_at_a_stop_are_answered_and_committed(
    broker: str, topic: str, run_hooks: RunHooks
) -> None:
    working, go_on = asyncio.Event(), asyncio.Event()

    async def answer(call: Call) -> bytes:
        working.set()
        await go_on.wait()
        return call.body

    answers: list[bytes] = []

    async def ask(hooks: Hooks) -> None:
        answers.append((await hooks.post("/jobs/1", b"last")).body)

    async with run_hooks(document(broker, topic)) as hooks:
        async with anyio.create_task_group() as tasks, responder(broker, topic, answer):
            tasks.start_soon(ask, hooks)
            await working.wait()
            asyncio.get_running_loop().call_later(0.1, go_on.set)
        assert answers == [b"last"]
        assert await consumer_lag(broker, f"worker-{topic}", [topic]) == {topic: {0: 0}}


IDENTIFIED = [("x-plt-kafka-hooks-correlation-id", b"1")]


class Said(logging.Handler):
    """Collects the log of the responder, and waits for lines."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: list[str] = []
        self._changed = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self._messages.append(record.getMessage())
        self._changed.set()

    async def times(self, count: int, words: str) -> None:
        """Wait until a message was logged this number of times."""
        with anyio.fail_after(LONG):
            while sum(words in message for message in self._messages) < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def said() -> Iterator[Said]:
    handler = Said()
    responding.logger.addHandler(handler)
    yield handler
    responding.logger.removeHandler(handler)


class Gate(Producer):
    """A responder's producer, closed until the test opens it."""

    opened = False

    def post(
        self, topic: str, value: bytes | None, done: Callable[[RecordPosition | KafkaError], None], **options: Any
    ) -> None:
        if self.opened:
            super().post(topic, value, done, **options)
        else:
            done(KafkaUnavailable("no acknowledgement"))

    async def send(self, *args: Any, **options: Any) -> Any:
        if not self.opened:
            raise KafkaUnavailable("no acknowledgement")
        return await super().send(*args, **options)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> type[Gate]:
    monkeypatch.setattr(responding, "Producer", Gate)
    monkeypatch.setattr(responding, "FIRST_PAUSE", 0.05)
    monkeypatch.setattr(responding, "COMMIT_INTERVAL", 0.01)
    monkeypatch.setattr(Gate, "opened", False)
    return Gate


async def lag(broker: str, topic: str) -> int:
    return (await consumer_lag(broker, f"worker-{topic}", [topic]))[topic][0]


async def test_reply_that_can_never_be_written_becomes_an_error(broker: str, topic: str, run_hooks: RunHooks) -> None:
    async def answer(call: Call) -> bytes:
        return b"x" * int(call.body)

    async with run_hooks(document(broker, topic)) as hooks, responder(broker, topic, answer):
        got = await hooks.post("/jobs/1", b"2000000")
        assert (got.status, got.header(b"content-type")) == (500, b"application/json; charset=utf-8")
        assert json.loads(got.body) == {
            "statusCode": 500,
            "error": "Internal Server Error",
            "message": "The reply could not be written.",
        }
        assert (await hooks.post("/jobs/1", b"2")).body == b"xx"
    assert await lag(broker, topic) == 0


async def test_reply_is_written_again_while_the_client_may_wait(
    broker: str, topic: str, producer: Producer, gate: type[Gate], said: Said, read_records: ReadRecords
) -> None:
    answered = asyncio.Event()

    async def answer(call: Call) -> bytes:
        if call.body == b"other":
            answered.set()
        return call.body

    await producer.send(topic, b"first", headers=IDENTIFIED)
    async with responder(broker, topic, answer):
        await said.times(1, "written again")
        await producer.send(topic, b"other", headers=IDENTIFIED)
        with anyio.fail_after(LONG):
            await answered.wait()
        await said.times(4, "written again")
        assert await lag(broker, topic) == 2
        gate.opened = True
        replies = await read_records(f"{topic}-responses", 2)
        assert {reply.value for reply in replies} == {b"first", b"other"}
    assert await lag(broker, topic) == 0


async def test_reply_that_a_stop_interrupts_is_written_after_the_next_start(
    broker: str,
    topic: str,
    producer: Producer,
    gate: type[Gate],
    said: Said,
    read_records: ReadRecords,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def answer(call: Call) -> bytes:
        return call.body

    monkeypatch.setattr(responding, "GRACE", 0.1)
    await producer.send(topic, b"first", headers=IDENTIFIED)
    with anyio.fail_after(LONG):
        async with responder(broker, topic, answer):
            await said.times(1, "written again")
    assert await lag(broker, topic) == 1
    gate.opened = True
    async with responder(broker, topic, answer):
        assert (await read_records(f"{topic}-responses", 1))[0].value == b"first"
    assert await lag(broker, topic) == 0


async def test_reply_that_nobody_waits_for_any_more_is_written_again_once(
    broker: str, topic: str, producer: Producer, gate: type[Gate], said: Said
) -> None:
    async def answer(call: Call) -> bytes:
        return call.body

    await producer.send(topic, b"old", headers=IDENTIFIED, timestamp=1_000_000)
    async with responder(broker, topic, answer):
        await said.times(1, "written again")
        await said.times(1, "could not be written in time")
    assert await lag(broker, topic) == 0


async def test_old_requests_and_foreign_records_are_passed_over(broker: str, topic: str, producer: Producer) -> None:
    calls: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(call: Call) -> None:
        calls.put_nowait(call.body)

    identified = [("x-plt-kafka-hooks-correlation-id", b"1")]
    await producer.send(topic, b"old", headers=identified, timestamp=1_000_000)
    await producer.send(topic, b"foreign")
    await producer.send(topic, b"timeless", headers=identified, timestamp=-1)
    await producer.send(topic, b"new", headers=identified)
    async with responder(broker, topic, answer, max_age=60.0):
        with anyio.fail_after(LONG):
            assert {await calls.get(), await calls.get()} == {b"timeless", b"new"}
    assert calls.empty()


async def test_no_more_requests_are_in_work_than_allowed(broker: str, topic: str, producer: Producer) -> None:
    working = most = finished = 0
    done = asyncio.Event()

    async def answer(call: Call) -> None:
        nonlocal working, most, finished
        working += 1
        most = max(most, working)
        await anyio.lowlevel.checkpoint()
        working -= 1
        finished += 1
        if finished == 50:
            done.set()

    for _ in range(50):
        await producer.send(topic, b"", headers=[("x-plt-kafka-hooks-correlation-id", b"1")])
    async with responder(broker, topic, answer, concurrency=3):
        with anyio.fail_after(LONG):
            await done.wait()
    assert most == 3


async def test_responder_without_a_function(broker: str, topic: str) -> None:
    with pytest.raises(KafkaError, match="no function"):
        async with Responder(topic, topic, group="g", bootstrap_brokers=broker):
            pass


async def test_offset_to_commit_is_that_of_the_oldest_request_in_work(broker: str, topic: str) -> None:
    made = responder(broker, topic, lambda _: asyncio.sleep(0))
    place = TopicPartition(topic, 0)
    await made.assigned(frozenset({place}))
    held = made._open[place]
    for offset in (5, 6, 8):
        held.take(offset)
    seen = []
    for offset in (6, 5, 8):
        held.finish(offset)
        seen.append(held.position)
    assert seen == [5, 8, 9]
