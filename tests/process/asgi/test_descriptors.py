"""A connection's descriptor is released as soon as its client has disconnected, in every state."""

from __future__ import annotations

import asyncio
import os

import pytest
from harness.applications import Recorder
from harness.context import PATIENCE, Worker, ready, settle

from pywatt.http.server.own_user import is_own
from pywatt.worker.asgi.serve_asgi import EngineName, Receive, Scope, Send, serve_asgi

pytestmark = pytest.mark.anyio

CLIENTS = 20
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
H2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
H2C = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: \r\n\r\n"


@pytest.fixture(autouse=True)
def kernel_is_asked() -> None:
    """Open the one socket that asks for the users of clients; it stays."""
    is_own(("127.0.0.1", 1), ("127.0.0.1", 2))


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def come_back_to(count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while descriptors() > count:
            await settle()


async def leave(worker: Worker, sent: bytes, answered: bytes) -> None:
    """Send something as several clients, wait for a part of the answer, and leave."""
    for _ in range(CLIENTS):
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(sent)
        if answered:
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(answered)
        writer.close()
        await writer.wait_closed()


@pytest.mark.parametrize("engine", EngineName)
@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"", b""),
        (GET[:9], b""),
        (GET, b"\r\n\r\n"),
        (GET * 2, b"\r\n\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab", b""),
        (b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n"),
    ],
    ids=["nothing", "half a head", "a request", "two requests", "half a body", "a bad request"],
)
async def test_clients_that_leave_keep_nothing_open(engine: EngineName, sent: bytes, answered: bytes) -> None:
    async with ready(lambda context: serve_asgi(Recorder(), context, engine=engine)) as worker:
        before = descriptors()
        await leave(worker, sent, answered)
        await come_back_to(before)


@pytest.mark.parametrize("sent", [H2, H2C], ids=["preface", "upgrade"])
async def test_clients_of_http_2_that_leave_keep_nothing_open(sent: bytes) -> None:
    async with ready(lambda context: serve_asgi(Recorder(), context, engine=EngineName.HYPERCORN)) as worker:
        before = descriptors()
        await leave(worker, sent, b"\0\0\4")
        await come_back_to(before)


@pytest.mark.parametrize("engine", EngineName)
async def test_clients_that_leave_before_a_late_answer_keep_nothing_open(engine: EngineName) -> None:
    entered, late = asyncio.Semaphore(0), asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        entered.release()
        await late.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async with ready(lambda context: serve_asgi(app, context, engine=engine)) as worker:
        before = descriptors()
        await leave(worker, GET, b"")
        for _ in range(CLIENTS):
            await entered.acquire()
        late.set()
        await come_back_to(before)
