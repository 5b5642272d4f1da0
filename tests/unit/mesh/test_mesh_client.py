"""Calls of services over real sockets: waiting for a worker, refusals, balance."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pywatt.errors import (
    CallTimeout,
    ConnectFailed,
    ServiceUnavailable,
    UnknownService,
)
from pywatt.mesh.client import MeshClient
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshService, MeshTable, ServiceState

pytestmark = pytest.mark.anyio
Serve = Callable[[Callable[[Any], Awaitable[None]]], Awaitable[Any]]
URL = "http://api.plt.local/x"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@pytest.mark.parametrize(
    ("state", "starting", "said"),
    [
        (ServiceState.FAILED, False, "does not run"),
        (ServiceState.FINISHED, False, "does not run"),
        (ServiceState.CRASH_LOOP, False, "does not run"),
        (ServiceState.FAILED, True, "within 0.05 s"),
        (ServiceState.CRASH_LOOP, True, "within 0.05 s"),
        (ServiceState.STARTING, True, "within 0.1 s"),
        (ServiceState.RESTARTING, False, "within 0.1 s"),
    ],
)
async def test_a_failing_service_is_waited_for_only_while_it_is_started_and_not_long(
    state: ServiceState, starting: bool, said: str
) -> None:
    table = MeshTable(1, {"api": MeshService(id="api", state=state, port=1, detail="why", starting=starting)})
    async with MeshClient(table, limits=MeshLimits(wait=0.1, failing=0.05)) as client:
        with pytest.raises(ServiceUnavailable, match=f"{said}.*why"):
            await client.request("GET", URL)


async def test_a_failing_service_that_gets_ready_takes_the_calls_that_wait(
    serve: Serve, make_table: Callable[..., MeshTable]
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)

    server = await serve(script)
    table = MeshTable(1, {"api": MeshService(id="api", state=ServiceState.FAILED, port=1, starting=True)})
    async with MeshClient(table) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.request("GET", URL))
        await asyncio.sleep(0)
        client.apply(make_table(2, server.path))
        assert (await call).status == 200


async def test_unknown_ids_and_services_without_workers(make_table: Callable[..., MeshTable]) -> None:
    async with MeshClient(make_table(1), limits=MeshLimits(wait=0.05)) as client:
        with pytest.raises(UnknownService, match="known: api"):
            await client.request("GET", "http://apo.plt.local/")
        with pytest.raises(ServiceUnavailable, match="ready"):
            await client.request("GET", URL)
    async with MeshClient(make_table(1, state=ServiceState.FAILED)) as client:
        with pytest.raises(ServiceUnavailable, match="does not run"):
            await client.request("GET", URL)
    async with MeshClient(make_table(1, port=None)) as client:
        with pytest.raises(ConnectFailed, match="HTTP"):
            await client.request("GET", URL)


async def test_only_so_many_calls_wait(make_table: Callable[..., MeshTable]) -> None:
    async with MeshClient(make_table(1), limits=MeshLimits(waiting=1)) as client:
        waiting = asyncio.ensure_future(client.request("GET", URL))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        with pytest.raises(ServiceUnavailable, match="wait"):
            await client.request("GET", URL)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_waiting_call_goes_on_with_the_first_ready_worker(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    async with MeshClient(make_table(1, state=ServiceState.STARTING)) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.request("POST", URL))
        await asyncio.sleep(0)
        client.apply(make_table(2, server.path))
        async with asyncio.timeout(5):
            assert (await call).status == 200


async def test_a_refused_call_takes_another_worker(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    missing = server.path.with_name("missing.sock")
    async with MeshClient(make_table(1, missing, server.path)) as client:
        for _ in range(4):
            assert (await client.request("POST", URL)).status == 200


async def test_a_worker_that_refuses_for_a_moment_is_tried_again(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    await server.stop()
    async with MeshClient(make_table(1, server.path)) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(client.request("POST", URL))
        await asyncio.sleep(0)
        await server.start()
        async with asyncio.timeout(5):
            assert (await call).status == 200


async def test_calls_spread_over_workers(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await all_there.wait()
        await visit.send(OK)

    all_there = asyncio.Barrier(8)
    servers = [await serve(script) for _ in range(2)]
    async with MeshClient(make_table(1, *(server.path for server in servers))) as client:
        await asyncio.gather(*(client.request("GET", URL) for _ in range(8)))
    assert [len(server.visits) for server in servers] == [4, 4]


async def test_timeout_covers_the_wait_for_a_worker(make_table: Callable[..., MeshTable]) -> None:
    async with MeshClient(make_table(1)) as client:
        with pytest.raises(CallTimeout):
            await client.request("GET", URL, timeout=0.05)
