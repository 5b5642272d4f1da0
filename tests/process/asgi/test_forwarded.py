"""A worker trusts the gateway's description of a request, and no other client's."""

from __future__ import annotations

import socket
import struct
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from harness.applications import Echo, Recorder
from harness.context import exchange, ready
from websockets.asyncio.client import connect, unix_connect

from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.serve_asgi import Application, EngineName, serve_asgi

pytestmark = pytest.mark.anyio

ENGINES = pytest.mark.parametrize("engine", EngineName)
GATEWAYS = (
    b"x-forwarded-for: 9.9.9.9, 10.0.0.1\r\nx-forwarded-host: shop.example\r\nx-forwarded-proto: https\r\n"
    b"x-forwarded-prefix: /a%20b/api\r\n"
)
PLAIN = b"GET /it%2F?x=1 HTTP/1.1\r\nHost: shop.example\r\n" + GATEWAYS + b"\r\n"
WITH_BODY = PLAIN.replace(b"GET", b"POST")[:-2] + b"content-length: 4\r\n\r\nbody"
CHUNKED = PLAIN.replace(b"GET", b"POST")[:-2] + b"transfer-encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
KEYS = ("root_path", "path", "raw_path", "scheme", "client", "server")
TOLD: tuple[Any, ...] = (
    "/a b/api", "/a b/api/it/", b"/a%20b/api/it%2F", "https", ("9.9.9.9", 0), ("shop.example", 443),
)  # fmt: skip


def serve(app: Application, engine: EngineName = EngineName.UVICORN) -> Callable[[ServiceContext], Awaitable[None]]:
    return partial(serve_asgi, app, engine=engine)


@ENGINES
@pytest.mark.parametrize("request_bytes", [PLAIN, WITH_BODY, CHUNKED], ids=["plain", "with-body", "chunked"])
async def test_requests_of_the_gateway_are_placed(engine: EngineName, request_bytes: bytes) -> None:
    app = Recorder()
    async with ready(serve(app, engine)) as worker:
        await exchange(worker.path, request_bytes, request_bytes, LAST)  # the second time its headers may be known
    assert [tuple(scope[key] for key in KEYS) for scope in app.scopes[:2]] == [TOLD] * 2
    assert [app.scopes[2][key] for key in KEYS[:4]] == ["", "/last", b"/last", "http"]


@ENGINES
async def test_websockets_of_the_gateway_are_placed(engine: EngineName) -> None:
    echo = Echo()
    headers = {
        "x-forwarded-for": "9.9.9.9",
        "x-forwarded-host": "shop.example",
        "x-forwarded-proto": "https",
        "x-forwarded-prefix": "/api",
    }
    async with (
        ready(serve(echo, engine)) as worker,
        unix_connect(
            worker.path, uri="ws://x/it", additional_headers=headers, compression=None, user_agent_header=None
        ),
    ):
        pass
    (scope,) = echo.scopes
    assert [scope[key] for key in ("root_path", "path", "scheme", "client")] == [
        "/api", "/api/it", "wss", ("9.9.9.9", 0),
    ]  # fmt: skip


@ENGINES
@pytest.mark.parametrize("request_bytes", [PLAIN, WITH_BODY, CHUNKED], ids=["plain", "with-body", "chunked"])
async def test_nobody_else_is_believed(engine: EngineName, request_bytes: bytes) -> None:
    app = Recorder()
    async with ready(serve(app, engine)) as worker:
        for port in (worker.port, worker.public_port):
            await exchange(port, request_bytes, LAST)
    assert [tuple(scope[key] for key in KEYS[:4]) for scope in app.scopes[::2]] == [("", "/it/", b"/it%2F", "http")] * 2
    assert {scope["client"][0] for scope in app.scopes} == {"127.0.0.1"}


async def test_a_client_that_leaves_at_once_is_not_taken_for_the_gateway() -> None:
    app = Recorder()
    async with ready(serve(app)) as worker:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", worker.public_port)) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.sendall(PLAIN)
        await exchange(worker.public_port, PLAIN, LAST)
    assert {scope["root_path"] for scope in app.scopes} == {""}
    assert {scope["scheme"] for scope in app.scopes} == {"http"}


@ENGINES
async def test_websockets_of_others_are_not_believed(engine: EngineName) -> None:
    echo = Echo()
    headers = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https", "x-forwarded-prefix": "/api"}
    async with (
        ready(serve(echo, engine)) as worker,
        connect(f"ws://127.0.0.1:{worker.port}/it", additional_headers=headers, compression=None),
    ):
        pass
    (scope,) = echo.scopes
    assert (scope["root_path"], scope["path"], scope["scheme"]) == ("", "/it", "ws")


@pytest.mark.parametrize(
    ("address", "host", "proto", "client", "server", "scheme"),
    [
        (b"", b"", b"http", ("127.0.0.1", 0), ("127.0.0.1", 80), "http"),
        (b"unknown", b"h", b"HTTPS", ("127.0.0.1", 0), ("h", 443), "https"),
        (b"9.9.9.9:81", b"h:8443", b"wss", ("9.9.9.9", 81), ("h", 8443), "https"),
        (b"2001:db8::1", b"[::2]:8", b"x", ("2001:db8::1", 0), ("::2", 8), "http"),
        (b"[::1]:7, ::3", b"[::2]", b"http", ("::1", 7), ("::2", 80), "http"),
        (b"\xb2", b"h\xe9:\xb2", b"\xff", ("127.0.0.1", 0), ("h\xe9", 80), "http"),
    ],
)
async def test_odd_values(
    address: bytes, host: bytes, proto: bytes, client: object, server: object, scheme: str
) -> None:
    app = Recorder()
    headers = b"x-forwarded-for: %b\r\nx-forwarded-host: %b\r\nx-forwarded-proto: %b\r\n" % (address, host, proto)
    async with ready(serve(app)) as worker:
        await exchange(worker.path, b"GET / HTTP/1.1\r\nHost: h\r\n" + headers + b"\r\n", LAST)
    scope = app.scopes[0]
    assert (scope["client"], scope["server"], scope["scheme"]) == (client, server, scheme)
