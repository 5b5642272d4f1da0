"""Requests of a route at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.request import RequestHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.policies.concurrency_limit import BUSY, ConcurrencyLimit, ConcurrencyOptions
from pywatt_services.gateway.policies.verdict import Later, PolicyRequest, Verdict, policy_request

pytestmark = pytest.mark.anyio
Scene = Any
GET = b"GET /api HTTP/1.1\r\nHost: x\r\n\r\n"
NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def limited(make_scene: Callable[..., Scene], **limit: Any) -> Scene:
    return make_scene({"gateway": {"applications": [{"id": "api", "proxy": {"concurrency": limit}}]}})


async def turn() -> None:
    """Let each task run until it waits."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_oldest_goes_first(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, max=1, maxWaiting=2)
    clients = [scene.connect() for _ in range(4)]
    for client, _ in clients:
        client.data_received(GET)
    await turn()
    assert len(scene.upstreams.services) == 1
    refused = clients[3][1].take()
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1\r\n" in refused
    for client, transport in clients[:3]:
        assert scene.upstreams.services[0].received()
        assert not any(other.written for _, other in clients)
        scene.upstreams.services[0].send(NOTHING)
        assert transport.take().startswith(b"HTTP/1.1 204 ")
        assert not transport.closing
        del client
        await turn()
    clients[3][0].data_received(GET)
    assert scene.upstreams.services[0].received()


async def test_a_body_waits_with_its_request(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, max=1)
    first, _ = scene.connect()
    first.data_received(GET)
    second, transport = scene.connect()
    second.data_received(b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\nabc")
    second.data_received(b"x" * 100_000)
    assert not transport.reading
    await turn()
    assert len(scene.upstreams.services) == 1
    scene.service.received()
    scene.service.send(NOTHING)
    await turn()
    assert transport.reading
    second.data_received(b"x" * 99_997)
    received = scene.service.received()
    assert received.endswith(b"\r\n\r\nabc" + b"x" * 199_997)


@pytest.mark.parametrize("leave", ["before the task runs", "while it waits"])
async def test_a_client_that_leaves_gives_its_place_away(make_scene: Callable[..., Scene], leave: str) -> None:
    scene = limited(make_scene, max=1)
    clients = [scene.connect() for _ in range(3)]
    for client, _ in clients:
        client.data_received(GET)
    if leave == "while it waits":
        await turn()
    clients[1][1].close()
    await turn()
    scene.service.received()
    scene.service.send(NOTHING)
    await turn()
    assert scene.service.received()
    clients[2][1].close()
    await turn()
    last, _ = scene.connect()
    last.data_received(GET)
    assert scene.service.received()


async def test_a_request_does_not_wait_for_ever(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, max=1, timeout=1)
    first, _ = scene.connect()
    first.data_received(GET)
    second, transport = scene.connect()
    before = asyncio.all_tasks()
    second.data_received(GET)
    await asyncio.wait(asyncio.all_tasks() - before)
    assert transport.take().startswith(b"HTTP/1.1 503 ")


async def test_a_websocket_holds_its_place_until_it_ends(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, max=1, maxWaiting=0)
    client, transport = scene.connect()
    client.data_received(
        b"GET /api HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    scene.service.send(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
    assert transport.take().startswith(b"HTTP/1.1 101 ")
    other, refused = scene.connect()
    other.data_received(GET)
    assert refused.take().startswith(b"HTTP/1.1 503 ")
    transport.close()
    other.data_received(GET)
    assert scene.service.received()


async def test_clients_take_turns(make_scene: Callable[..., Scene]) -> None:
    scene = limited(make_scene, max=1, maxWaiting=5)
    busy = [scene.connect("192.0.2.1") for _ in range(5)]
    quiet = [scene.connect("192.0.2.2"), scene.connect("192.0.2.3")]
    for client, _ in (*busy, *quiet):
        client.data_received(GET)
    # The queue has room for four more of the first client, one of the second, and one for another of the first.
    await turn()
    assert busy[4][1].take().startswith(b"HTTP/1.1 503 ")
    order: list[int] = []
    clients = [*busy, *quiet]
    for _ in range(6):
        scene.service.received()
        scene.service.send(NOTHING)
        await turn()
        order += [
            number for number, (_, transport) in enumerate(clients) if transport.take().startswith(b"HTTP/1.1 204")
        ]
    assert order == [0, 1, 5, 6, 2, 3]


def ask(ip: bytes = b"") -> PolicyRequest:
    head = RequestHead(b"GET", b"/", b"/", b"", b"x", [], 1, 0, False, True)
    return policy_request(head, ClientAddress(ip, True))


@given(
    st.integers(1, 3),
    st.integers(0, 4),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(["ask", "end", "leave"])), max_size=40),
)
def test_never_too_many_and_never_a_lost_place(limit: int, waiting: int, steps: list[tuple[int, str]]) -> None:
    async def run() -> None:
        policy = ConcurrencyLimit(ConcurrencyOptions(limit=limit, waiting=waiting))
        active: list[PolicyRequest] = []
        queue: list[tuple[PolicyRequest, asyncio.Task[Verdict]]] = []
        for number, step in steps:
            if step == "ask":
                request = ask(b"192.0.2.%d" % number)
                verdict = policy.check(request)
                if verdict is None:
                    active.append(request)
                elif verdict is BUSY:
                    assert len(active) == limit
                    assert len(queue) >= waiting
                else:
                    assert isinstance(verdict, Later)
                    queue.append((request, asyncio.ensure_future(verdict)))
            elif step == "end" and active:
                end(active.pop(0))
            elif step == "leave" and queue:
                request, task = queue.pop()
                task.cancel()
                end(request)
            await turn()
            for request, task in list(queue):
                if task.done():
                    queue.remove((request, task))
                    if task.result() is None:
                        active.append(request)
            assert len(active) <= limit
            assert len(queue) <= waiting
        for request, task in queue:
            task.cancel()
            end(request)
        for request in active:
            end(request)
        assert policy._free == limit

    asyncio.run(run())


def end(request: PolicyRequest) -> None:
    ended, request.ended = request.ended, None
    assert ended is not None
    ended()
