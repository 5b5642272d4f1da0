"""Connections that a server is about to close are not used: a POST on one of them would fail."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pywatt.http.client.client import HttpClient

pytestmark = pytest.mark.anyio
Serve = Callable[[Callable[[Any], Awaitable[None]]], Awaitable[Any]]
URL = "http://api.plt.local/x"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("field", "used_for"),
    [
        (b"keep-alive: timeout=5", 4),
        (b"Keep-Alive: max=100, Timeout = 2", 1),
        (b"keep-alive: timeout=1", 0.5),
        (b"keep-alive: timeout=0", 0),
        (b"keep-alive: timeout=600", 55),
        (b"keep-alive: 5", 55),
    ],
)
async def test_the_timeout_that_a_server_tells(serve: Serve, field: bytes, used_for: float) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.send(b"HTTP/1.1 200 OK\r\n" + field + b"\r\ncontent-length: 2\r\n\r\nok")

    server = await serve(script)
    clock = Clock()
    async with HttpClient(clock=clock) as client:

        async def connections(passed: float) -> int:
            clock.now += passed
            if passed >= 55:
                client.close_stale()
            await client.request("POST", URL, address=server.address)
            return len(server.visits)

        assert await connections(0) == 1
        if used_for:
            assert await connections(used_for - 0.01) == 1
        assert await connections(used_for) == 2


async def test_the_timeout_that_a_server_has(serve: Serve) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            if visit.number == 0:
                await timeout.wait()
                visit.half_close()
                await visit.until_closed()

    timeout = asyncio.Event()
    server = await serve(script)
    clock = Clock()
    async with HttpClient(clock=clock) as client, asyncio.timeout(10):
        for passed in (4, 2.9, 3, 0):
            await client.request("POST", URL, address=server.address)
            clock.now += passed
            if passed == 4:
                timeout.set()
                await server.visits[0].closed.wait()
    assert len(server.visits) == 3


async def test_a_connection_that_is_closed_at_once_tells_nothing(serve: Serve) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
            if visit.number == 0:
                visit.half_close()
                await visit.until_closed()

    server = await serve(script)
    clock = Clock()
    async with HttpClient(clock=clock) as client, asyncio.timeout(10):
        await client.request("POST", URL, address=server.address)
        await server.visits[0].closed.wait()
        await client.request("POST", URL, address=server.address)
        clock.now += 50
        await client.request("POST", URL, address=server.address)
    assert len(server.visits) == 2
