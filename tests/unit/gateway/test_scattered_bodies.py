"""Bodies in tiny chunks are read in pieces, one per turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from pywatt.http.client.connection import PIECE

pytestmark = pytest.mark.anyio
Scene = Any  # conftest's; importing it would load it twice
GET = b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
TINY = b"1\r\nx\r\n" * 5000
END = b"0\r\n\r\n"


async def until(fact: Callable[[], bool]) -> int:
    """Run turns of the loop until a condition holds; return their number."""
    turns = 0
    async with asyncio.timeout(10):
        while not fact():
            await asyncio.sleep(0)
            turns += 1
    return turns


def begun(scene: Scene) -> tuple[Any, Any, Any]:
    """A response that arrives in tiny chunks."""
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(HEAD)
    scene.service.send(TINY)
    assert transport.take().count(b"x") == 5000
    return client, transport, scene.service


async def test_they_are_read_in_turns(scene: Scene) -> None:
    client, transport, service = begun(scene)
    service.send(TINY)
    assert transport.take() == b""
    assert not service.transport.reading
    assert await until(lambda: service.transport.reading) >= len(TINY) // PIECE
    assert transport.take().count(b"x") == 5000
    service.send(b"1\r\ny\r\n")
    assert b"y" in transport.take()
    assert service.transport.reading
    service.send(TINY + END)
    await until(lambda: service.transport.reading)
    assert transport.take().endswith(END)
    assert client.idle
    assert len(scene.upstreams.idle) == 1
    client.data_received(GET)
    assert scene.service is service
    service.send(HEAD + b"5\r\nhello\r\n" + END)
    assert transport.take().endswith(b"hello")


async def test_a_slow_client_makes_them_wait(scene: Scene) -> None:
    client, transport, service = begun(scene)
    for _ in range(3):
        service.send(TINY)
        await asyncio.sleep(0)
        client.pause_writing()
        transport.take()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert transport.take() == b""
        client.resume_writing()
        assert not service.transport.reading
        assert await until(lambda: service.transport.reading) >= len(TINY) // PIECE - 2
        assert transport.take().endswith(b"x\r\n")


async def test_what_comes_behind_the_response_spoils_the_connection(scene: Scene) -> None:
    client, transport, service = begun(scene)
    service.send(TINY + END + b"x" * 10_000)
    await until(lambda: client.idle)
    assert transport.take().endswith(END)
    assert service.transport.closing
    assert scene.upstreams.idle == []
    await asyncio.sleep(0)


async def test_what_came_before_the_end_of_the_connection_arrives(scene: Scene) -> None:
    client, transport, service = begun(scene)
    service.send(TINY + END)
    service.close()
    assert transport.take().count(b"x") == 5000
    assert client.idle
    await asyncio.sleep(0)


async def test_a_client_that_leaves_ends_it(scene: Scene) -> None:
    _, transport, service = begun(scene)
    service.send(TINY)
    transport.close()
    assert service.transport.aborted
    await asyncio.sleep(0)


async def test_a_wrong_chunk_is_an_error_in_any_piece(scene: Scene) -> None:
    _, transport, service = begun(scene)
    service.send(TINY + b"z\r\n")
    await until(lambda: transport.aborted)
    assert service.transport.aborted
