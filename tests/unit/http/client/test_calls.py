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
)
from pywatt.http.client.address import UnixAddress
from pywatt.http.client.client import HttpClient
from pywatt.http.client.limits import ClientLimits

pytestmark = pytest.mark.anyio
Serve = Callable[[Callable[[Any], Awaitable[None]]], Awaitable[Any]]
URL = "http://api.plt.local/x"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


async def test_request_and_response(
    serve: Serve,
) -> None:
    async def script(visit: Any) -> None:
        seen.append(await visit.request())
        await visit.send(b"HTTP/1.1 201 Created\r\nX-A: 1\r\nConnection: X-B\r\nX-B: 2\r\nContent-Length: 2\r\n\r\nhi")
        seen.append(await visit.request())
        await visit.send(OK)

    seen: list[bytes] = []
    server = await serve(script)
    async with HttpClient() as client:
        headers = [(b"X-C", b"3"), (b"Host", b"no"), (b"Content-Length", b"99"), (b"traceparent", b"00")]
        response = await client.request(
            "POST", "http://API.plt.local/a?b=c", address=server.address, headers=headers, body=b"body"
        )
        await client.request("GET", URL, address=server.address)
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
    async with HttpClient() as client:
        for _ in range(2):
            response = await client.request(method, URL, address=server.address)
            assert (response.status, response.body) == (status, body)
    assert len(server.visits) == connections


async def test_body_that_ends_with_the_connection(
    serve: Serve,
) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    server = await serve(script)
    async with HttpClient() as client:
        assert (await client.request("GET", URL, address=server.address)).body == b"all of it"


async def test_early_response_while_the_request_is_still_being_sent(
    serve: Serve,
) -> None:
    async def script(visit: Any) -> None:
        await visit.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await visit.until_closed()

    server = await serve(script)
    async with HttpClient() as client:
        response = await client.request("POST", URL, address=server.address, body=b"x" * 10_000_000)
        assert response.status == 413
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()


async def test_idempotent_call_over_a_connection_closed_meanwhile_is_repeated_once(
    serve: Serve,
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
    async with HttpClient() as client:
        await client.request("GET", URL, address=server.address)
        assert (await client.request("PUT", URL, address=server.address, body=b"x")).status == 200
        assert len(server.visits) == 2


@pytest.mark.parametrize(("method", "first"), [("POST", False), ("GET", True)])
async def test_what_may_have_been_done_is_not_repeated(serve: Serve, method: str, first: bool) -> None:
    async def script(visit: Any) -> None:
        if not first:
            await visit.request()
            await visit.send(OK)
        requests.append(await visit.request())

    requests: list[bytes] = []
    server = await serve(script)
    async with HttpClient() as client:
        if not first:
            await client.request("GET", URL, address=server.address)
        with pytest.raises(ConnectionLost):
            await client.request(method, URL, address=server.address)
    assert len(requests) == 1


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", ConnectionLost),
        (b"nonsense\r\n\r\n", BadResponse),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n" + b"x" * 50, BadResponse),
    ],
)
async def test_broken_responses(serve: Serve, raw: bytes, error: type[Exception]) -> None:
    async def script(visit: Any) -> None:
        await visit.request()
        await visit.send(raw)

    server = await serve(script)
    async with HttpClient(limits=ClientLimits(response_body=20)) as client:
        with pytest.raises(error):
            await client.request("GET", URL, address=server.address)


async def test_timeout_covers_everything_and_closes_the_connection(
    serve: Serve,
) -> None:
    async def script(visit: Any) -> None:
        await visit.until_closed()

    server = await serve(script)
    async with HttpClient() as client:
        with pytest.raises(CallTimeout):
            await client.request("GET", URL, address=server.address, timeout=0.05)
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()


async def test_idle_connections_are_closed_after_a_while(
    serve: Serve, answering: Callable[[Any], Awaitable[None]]
) -> None:
    server = await serve(answering)
    now = 0.0
    async with HttpClient(limits=ClientLimits(idle=55), clock=lambda: now) as client:
        await client.request("GET", URL, address=server.address)
        now = 54.0
        client.close_stale()
        await client.request("GET", URL, address=server.address)
        assert len(server.visits) == 1
        now = 120.0
        client.close_stale()
        async with asyncio.timeout(5):
            await server.visits[0].closed.wait()
        await client.request("GET", URL, address=server.address)
    assert len(server.visits) == 2


async def test_plain_url_goes_over_tcp(answering: Callable[[Any], Awaitable[None]]) -> None:
    async def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hosts.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        writer.close()

    hosts: list[bytes] = []
    server = await asyncio.start_server(visited, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HttpClient() as client:
        assert (await client.request("GET", f"http://127.0.0.1:{port}/y?z")).body == b"ok"
        server.close()
        with pytest.raises(ConnectFailed, match="connect"):
            await client.request("GET", f"http://127.0.0.1:{port}/")
    assert hosts == [f"GET /y?z HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\n\r\n".encode()]


@pytest.mark.parametrize(
    ("method", "name", "value"), [("GET", b"a b", b""), ("GET", b"a", b"b\r\nc"), ("G ET", b"a", b"")]
)
async def test_what_would_break_out_of_its_line_is_not_sent(method: str, name: bytes, value: bytes) -> None:
    async with HttpClient() as client:
        with pytest.raises(ValueError, match=r"not a|control"):
            await client.request(method, "http://127.0.0.1:1/", headers=[(name, value)])


async def test_nobody_listens_at_a_unix_address() -> None:
    async with HttpClient() as client:
        with pytest.raises(ConnectFailed, match="cannot connect to unix:/nowhere/s"):
            await client.request("GET", "http://sibling/", address=UnixAddress("/nowhere/s"))


async def test_guard_is_asked_about_the_address_of_a_url() -> None:
    def admit(host: str, address: str) -> None:
        raise ConnectFailed(f"{host} is not called")

    async with HttpClient(admit=admit) as client:
        with pytest.raises(ConnectFailed, match=r"localhost is not called"):
            await client.request("GET", "http://localhost:1/")
