"""Calls without a waiting task: over an idle connection, with a callback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pywatt.errors import BadResponse, CallTimeout, ConnectionLost, MeshError
from pywatt.http.client.call import Collector, Outcome, Response, header_lines
from pywatt.mesh.client import MeshClient
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshTable

pytestmark = pytest.mark.anyio
Serve = Callable[[Callable[[Any], Awaitable[None]]], Awaitable[Any]]
URL = "http://api.plt.local/x"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Caller:
    """Begins calls and keeps their results."""

    def __init__(self, client: MeshClient) -> None:
        self.client = client
        self.outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

    def begin(self, method: str = "POST", url: str = URL, **more: Any) -> Collector | None:
        settings = {"lines": b"", "body": b"", "timeout": 30.0, **more}
        return self.client.begin(method, url, self.outcomes.put_nowait, **settings)

    async def outcome(self) -> Outcome:
        async with asyncio.timeout(5):
            return await self.outcomes.get()


@asynccontextmanager
async def caller(table: MeshTable, **limits: Any) -> AsyncIterator[Caller]:
    """Yield a caller that has one idle connection."""
    async with MeshClient(table, limits=MeshLimits(**limits)) as client:
        await client.request("GET", URL)
        yield Caller(client)


async def test_request_is_written_and_the_response_is_called_back_with(
    serve: Serve, make_table: Callable[..., MeshTable]
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)
        seen.append(await visit.request())
        await visit.send(b"HTTP/1.1 202 Accepted\r\nX-A: 1\r\ncontent-length: 2\r\n\r\nh")
        await visit.send(b"i")

    seen: list[bytes] = []
    server = await serve(script)
    async with caller(make_table(1, server.path)) as c:
        assert c.begin(lines=header_lines([(b"x-b", b"2")]), body=b"body") is not None
        assert await c.outcome() == Response(202, ((b"x-a", b"1"),), b"hi")
    assert seen == [b"POST /x HTTP/1.1\r\nhost: api.plt.local\r\nx-b: 2\r\ncontent-length: 4\r\n\r\nbody"]


async def test_without_an_idle_connection_nothing_begins(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    async with caller(make_table(1, server.path)) as c:
        first = c.begin()
        assert first is not None
        assert c.begin() is None
        assert c.begin(url="http://127.0.0.1:1/") is None
        assert isinstance(await c.outcome(), Response)
        assert c.begin() is not None
        await c.outcome()
        assert c.outcomes.empty()


async def test_call_that_takes_too_long_is_given_up(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.until_closed()

    server = await serve(script)
    async with caller(make_table(1, server.path)) as c:
        c.begin(timeout=0.01)
        outcome = await c.outcome()
        assert isinstance(outcome, CallTimeout)
        assert outcome.message == f"POST {URL} took longer than 0.01 s"
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()


async def test_call_that_is_ended_calls_nobody_back(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.request()
        begun.set()
        await visit.until_closed()

    begun = asyncio.Event()
    server = await serve(script)
    async with caller(make_table(1, server.path)) as c:
        call = c.begin()
        assert call is not None
        async with asyncio.timeout(5):
            await begun.wait()
            call.end()
            call.end()
            await server.visits[0].closed.wait()
        assert c.outcomes.empty()


@pytest.mark.parametrize(("method", "again"), [("POST", False), ("PUT", True)])
async def test_connection_that_was_lost_is_an_error_unless_the_call_may_be_made_again(
    serve: Serve, make_table: Callable[..., MeshTable], method: str, again: bool
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.request()  # and closes without a byte

    server = await serve(script)
    async with caller(make_table(1, server.path)) as c:
        c.begin(method)
        outcome = await c.outcome()
        assert outcome is None if again else isinstance(outcome, ConnectionLost)


async def test_response_that_is_too_large_is_an_error(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc")

    server = await serve(script)
    async with caller(make_table(1, server.path), response_body=2) as c:
        c.begin()
        assert isinstance(await c.outcome(), BadResponse)


async def test_what_cannot_be_sent_is_said_at_once(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    async with caller(make_table(1, server.path)) as c:
        with pytest.raises(MeshError):
            c.begin(url="ftp://api.plt.local/")
        with pytest.raises(ValueError, match="not a method"):
            c.begin("A B")
        assert c.begin() is not None  # the connection is still there
        assert isinstance(await c.outcome(), Response)
