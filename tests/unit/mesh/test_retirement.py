"""A client follows a newer table, so that a rolling restart loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pywatt.mesh.client import MeshClient
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshTable

pytestmark = pytest.mark.anyio
Serve = Callable[[Callable[[Any], Awaitable[None]]], Awaitable[Any]]
URL = "http://api.plt.local/x"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_a_newer_table_closes_idle_connections_at_once_and_calls_in_flight_are_waited_for(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    async def slow(visit: Any) -> None:
        await visit.request()
        arrived.release()
        if visit.number == 0:
            await release.wait()
        await visit.send(OK)
        await visit.until_closed()

    arrived, release = asyncio.Semaphore(0), asyncio.Event()
    old, new = await serve(slow), await serve(answering)
    async with MeshClient(make_table(1, old.path)) as client, asyncio.TaskGroup() as tasks:
        in_flight = tasks.create_task(client.request("POST", URL))
        await arrived.acquire()
        await client.request("GET", URL)  # leaves an idle connection
        client.apply(make_table(2, new.path))
        drained = tasks.create_task(client.drained())
        async with asyncio.timeout(5):
            await old.visits[1].closed.wait()
        assert not drained.done()
        await client.request("GET", URL)
        assert len(new.visits) == 1
        release.set()
        async with asyncio.timeout(5):
            await drained
            assert (await in_flight).status == 200
            await old.visits[0].closed.wait()
    assert len(old.visits) == 2


async def test_long_calls_are_not_waited_for_for_ever(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def slow(visit: Any) -> None:
        await visit.request()
        arrived.set()
        await release.wait()
        await visit.send(OK)

    arrived, release = asyncio.Event(), asyncio.Event()
    server = await serve(slow)
    async with MeshClient(make_table(1, server.path), limits=MeshLimits(drain=0.05)) as client:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(client.request("GET", URL))
            await arrived.wait()
            async with asyncio.timeout(5):
                client.apply(make_table(2))
                await client.drained()
            assert not call.done()
            release.set()
        assert call.result().status == 200


async def test_a_later_table_does_not_hide_the_calls_that_an_earlier_one_left(
    serve: Serve, make_table: Callable[..., MeshTable]
) -> None:
    async def slow(visit: Any) -> None:
        await visit.request()
        arrived.set()
        await release.wait()
        await visit.send(OK)

    arrived, release = asyncio.Event(), asyncio.Event()
    server = await serve(slow)
    async with MeshClient(make_table(1, server.path)) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.request("GET", URL))
        await arrived.wait()
        client.apply(make_table(2))
        client.apply(make_table(3))
        drained = tasks.create_task(client.drained())
        await asyncio.sleep(0)
        assert not drained.done()
        release.set()
        async with asyncio.timeout(5):
            await drained
        assert call.result().status == 200


async def test_an_older_table_changes_nothing(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    async with MeshClient(make_table(5, server.path)) as client:
        client.apply(make_table(4))
        assert client.table.version == 5
        assert (await client.request("GET", URL)).status == 200


async def test_no_call_is_lost_while_workers_are_replaced(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    async def call_until_done() -> None:
        while not done.is_set():
            assert (await client.request("POST", URL, body=b"x")).status == 200
            calls.release()

    done = asyncio.Event()
    calls = asyncio.Semaphore(0)
    current = await serve(answering)
    async with MeshClient(make_table(1, current.path)) as client, asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(call_until_done())
        for version in range(2, 12):
            replacement = await serve(answering)
            client.apply(make_table(version, replacement.path))
            await client.drained()
            await current.stop()
            current = replacement
            for _ in range(50):
                await calls.acquire()
        done.set()


async def test_closing_the_client_ends_calls_in_flight(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def silent(visit: Any) -> None:
        await visit.request()
        arrived.set()
        await visit.until_closed()

    arrived = asyncio.Event()
    server = await serve(silent)
    async with asyncio.TaskGroup() as tasks:
        async with MeshClient(make_table(1, server.path)) as client:
            call = tasks.create_task(asyncio.wait([asyncio.ensure_future(client.request("GET", URL))]))
            await arrived.wait()
        async with asyncio.timeout(5):
            finished, _ = await call
    assert "closed the connection" in str(next(iter(finished)).exception())
