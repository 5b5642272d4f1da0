"""Calls over real sockets: pooling, ends of responses, failures and retries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pywatt.errors import (
    BadResponse,
    CallTimeout,
    ConnectFailed,
    ConnectionLost,
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


async def test_request_and_response(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def script(visit: Any) -> None:
        seen.append(await visit.request())
        await visit.send(b"HTTP/1.1 201 Created\r\nX-A: 1\r\nConnection: X-B\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nhi")
        seen.append(await visit.request())
        await visit.send(OK)

    seen: list[bytes] = []
    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        headers = [(b"X-C", b"3"), (b"Host", b"no"), (b"Content-Length", b"99"), (b"traceparent", b"00")]
        response = await client.request("POST", "http://API.plt.local/a?b=c", headers=headers, body=b"body")
        await client.request("GET", URL)
    assert (response.status, response.headers, response.body) == (201, ((b"x-a", b"1"),), b"hi")
    assert response.header(b"x-a") == b"1"
    assert seen == [
        b"POST /a?b=c HTTP/1.1\r\nhost: api.plt.local\r\nX-C: 3\r\ntraceparent: 00\r\ncontent-length: 4\r\n\r\nbody",
        b"GET /x HTTP/1.1\r\nhost: api.plt.local\r\n\r\n",
    ]
    assert len(server.visits) == 1


@pytest.mark.parametrize(
    ("method", "raw", "status", "body", "connections"),
    [
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b"", 1),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", 200, b"", 1),
        ("GET", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", 200, b"ab", 1),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + OK, 200, b"ok", 1),
        ("GET", OK.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n"), 200, b"ok", 2),
        ("GET", OK + b"surplus", 200, b"ok", 2),
    ],
)
async def test_ends_of_responses(
    serve: Serve,
    make_table: Callable[..., MeshTable],
    method: str,
    raw: bytes,
    status: int,
    body: bytes,
    connections: int,
) -> None:
    async def script(visit: Any) -> None:
        while True:
            await visit.request()
            await visit.send(raw)

    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        for _ in range(2):
            response = await client.request(method, URL)
            assert (response.status, response.body) == (status, body)
    assert len(server.visits) == connections


async def test_body_that_ends_with_the_connection(serve: Serve, make_table: Callable[..., MeshTable]) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        assert (await client.request("GET", URL)).body == b"all of it"


async def test_early_response_while_the_request_is_still_being_sent(
    serve: Serve, make_table: Callable[..., MeshTable]
) -> None:
    async def script(visit: Any) -> None:
        await visit.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await visit.until_closed()

    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        response = await client.request("POST", URL, body=b"x" * 10_000_000)
        assert response.status == 413
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()


async def test_idempotent_call_over_a_connection_closed_meanwhile_is_repeated_once(
    serve: Serve, make_table: Callable[..., MeshTable]
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(OK)
        if visit.number == 0:
            await visit.request()
            return  # closes without a byte
        await visit.request()
        await visit.send(OK)

    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        await client.request("GET", URL)
        assert (await client.request("PUT", URL, body=b"x")).status == 200
        assert len(server.visits) == 2


@pytest.mark.parametrize(("method", "first"), [("POST", False), ("GET", True)])
async def test_what_may_have_been_done_is_not_repeated(
    serve: Serve, make_table: Callable[..., MeshTable], method: str, first: bool
) -> None:
    async def script(visit: Any) -> None:
        if not first:
            await visit.request()
            await visit.send(OK)
        requests.append(await visit.request())

    requests: list[bytes] = []
    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        if not first:
            await client.request("GET", URL)
        with pytest.raises(ConnectionLost):
            await client.request(method, URL)
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", ConnectionLost),
        (b"nonsense\r\n\r\n", BadResponse),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n" + b"x" * 50, BadResponse),
    ],
)
async def test_broken_responses(
    serve: Serve, make_table: Callable[..., MeshTable], raw: bytes, error: type[Exception]
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(raw)

    server = await serve(script)
    async with MeshClient(make_table(1, server.path), limits=MeshLimits(response_body=20)) as client:
        with pytest.raises(error):
            await client.request("GET", URL)


async def test_timeout_covers_everything_and_closes_the_connection(
    serve: Serve, make_table: Callable[..., MeshTable]
) -> None:
    async def script(visit: Any) -> None:
        await visit.until_closed()

    server = await serve(script)
    async with MeshClient(make_table(1, server.path)) as client:
        with pytest.raises(CallTimeout):
            await client.request("GET", URL, timeout=0.05)
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()
    async with MeshClient(make_table(1)) as client:
        with pytest.raises(CallTimeout):
            await client.request("GET", URL, timeout=0.05)


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


async def test_idle_connections_are_closed_after_a_while(
    serve: Serve, make_table: Callable[..., MeshTable], answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    now = 0.0
    async with MeshClient(make_table(1, server.path), limits=MeshLimits(idle=55), clock=lambda: now) as client:
        await client.request("GET", URL)
        now = 54.0
        client.close_stale()
        await client.request("GET", URL)
        assert len(server.visits) == 1
        now = 120.0
        client.close_stale()
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()
        await client.request("GET", URL)
    assert len(server.visits) == 2


async def test_plain_url_goes_over_tcp(answering: Callable[[Any], Awaitable[None]]) -> None:
    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    hosts: list[bytes] = []
    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, MeshClient(MeshTable(0)) as client:
        assert (await client.request("GET", f"http://127.0.0.1:{port}/y?z")).body == b"ok"
        server.close()
        with pytest.raises(ConnectFailed, match="connect"):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    assert hosts == [f"GET /y?z HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()]


@pytest.mark.parametrize(
    ("method", "name", "value"), [("GET", b"a b", b""), ("GET", b"a", b"b\r\nc"), ("G ET", b"a", b"")]
)
async def test_what_would_break_out_of_its_line_is_not_sent(method: str, name: bytes, value: bytes) -> None:
    async with MeshClient(MeshTable(0)) as client:
        with pytest.raises(ValueError, match=r"not a|control"):
            await client.request(method, "http://127.0.0.1:1/", headers=[(name, value)])
