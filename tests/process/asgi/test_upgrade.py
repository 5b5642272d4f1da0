"""A request that asks for an upgrade keeps its body: it is never read as a request of its own."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import uvicorn
from harness.applications import Echo, Gate, Recorder
from harness.context import PATIENCE, exchange, ready, settle

from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.lifespan import Receive, Scope, Send
from pywatt.worker.asgi.serve_asgi import serve_asgi

pytestmark = pytest.mark.anyio

EVIL = b"GET /evil HTTP/1.1\r\nHost: x\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
UPGRADE = b"POST /it HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
WITH_LENGTH = UPGRADE + b"Content-Length: %d\r\n\r\n" % len(EVIL)
WITH_CHUNKS = UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(EVIL), EVIL)
HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


@asynccontextmanager
async def plain_uvicorn(app: Recorder) -> AsyncIterator[int]:
    config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None)

    class Server(uvicorn.Server):
        def __init__(self, context: ServiceContext) -> None:
            super().__init__(config)
            self.context = context

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            await self.context.ready()

    async def serve(context: ServiceContext) -> None:
        server = Server(context)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server._serve([context.loopback]))
            await context.stop_requested()
            server.should_exit = True

    async with ready(serve) as worker:
        yield worker.port


async def sent(*segments: bytes) -> list[tuple[str, str, bytes]]:
    app = Recorder()
    async with ready(partial(serve_asgi, app)) as worker:
        await exchange(worker.port, *segments, half_close=True)
    return app.requests


async def test_plain_uvicorn_takes_a_body_for_a_request() -> None:
    app = Recorder()
    async with plain_uvicorn(app) as port:
        await exchange(port, WITH_LENGTH, EVIL, half_close=True)
    assert app.requests == [("POST", "/it", b""), ("GET", "/evil", b"")]


@pytest.mark.parametrize(
    "segments",
    [
        (WITH_LENGTH, EVIL),
        (WITH_LENGTH + EVIL,),
        (WITH_LENGTH + EVIL[:5], EVIL[5:]),
        (WITH_CHUNKS, CHUNKS),
        (WITH_CHUNKS + CHUNKS,),
        (WITH_CHUNKS + CHUNKS[:9], CHUNKS[9:]),
    ],
)
async def test_a_body_stays_a_body(segments: tuple[bytes, ...]) -> None:
    assert await sent(*segments) == [("POST", "/it", EVIL)]


async def test_a_body_stays_a_body_byte_by_byte() -> None:
    data = WITH_LENGTH + EVIL + NEXT
    assert await sent(*(data[i : i + 1] for i in range(len(data)))) == [("POST", "/it", EVIL), ("GET", "/next", b"")]


@pytest.mark.parametrize("head", [WITH_LENGTH + EVIL, WITH_CHUNKS + CHUNKS, UPGRADE + b"\r\n"])
async def test_the_request_after_it_is_served_too(head: bytes) -> None:
    body = b"" if head == UPGRADE + b"\r\n" else EVIL
    assert await sent(head + head + NEXT) == [("POST", "/it", body), ("POST", "/it", body), ("GET", "/next", b"")]


@pytest.mark.parametrize(
    "head",
    [
        UPGRADE + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        UPGRADE + b"Transfer-Encoding: gzip\r\n\r\n",
        UPGRADE + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        UPGRADE + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_faulty_framing_is_refused_before_the_application_sees_it(head: bytes) -> None:
    app = Recorder()
    async with ready(partial(serve_asgi, app)) as worker:
        answer = await exchange(worker.port, head + EVIL)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 405 ", b"HTTP/1.1 501 "))
    assert len(re.findall(rb"HTTP/1.1 [45]", answer)) == 1
    assert app.requests == []


@pytest.mark.parametrize(
    "head",
    [
        HANDSHAKE + b"Content-Length: %d\r\n\r\n" % len(EVIL),
        HANDSHAKE.replace(b"GET ", b"POST ", 1) + b"Content-Length: %d\r\n\r\n" % len(EVIL),
    ],
)
async def test_a_handshake_with_a_body_is_an_ordinary_request(head: bytes) -> None:
    assert [(path, body) for _, path, body in await sent(head, EVIL)] == [("/ws", EVIL)]


async def test_a_handshake_behind_an_unanswered_request_waits_its_turn() -> None:
    gate, echo = Gate(), Echo()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (echo if scope["type"] == "websocket" else gate)(scope, receive, send)

    async with ready(partial(serve_asgi, app)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(b"GET /first HTTP/1.1\r\nHost: x\r\n\r\n")
        await gate.entered.wait()
        writer.write(HANDSHAKE + b"\r\n")
        await settle()
        gate.opened.set()
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200 ")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.close()


async def test_a_handshake_is_a_websocket() -> None:
    async with ready(partial(serve_asgi, Echo())) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(HANDSHAKE + b"\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert answer.startswith(b"HTTP/1.1 101 ")
