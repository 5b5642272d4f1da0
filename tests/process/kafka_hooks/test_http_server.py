"""The HTTP server on real sockets: it listens, and drains clients at a stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from harness.certificates import Authority
from harness.http2_client import http2_client
from harness.stops import Stops

from pywatt.http.server.listening import open_tls
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions
from pywatt.service_type import StopRequest
from pywatt.worker.asgi.drain import drain
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import ACCEPTED
from pywatt_services.kafka_hooks.http.server import HooksServer

pytestmark = pytest.mark.anyio

LIMIT = 10.0  # seconds
REQUEST = b"POST /topics/a HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx"
ACCEPTED_HEAD = b"HTTP/1.1 202 Accepted\r\n"


class Handler:
    """Keeps exchanges until the test answers them."""

    def __init__(self) -> None:
        self.exchanges: asyncio.Queue[HooksExchange] = asyncio.Queue()

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        self.exchanges.put_nowait(exchange)


@asynccontextmanager
async def listening(handler: Handler, folder: Path) -> AsyncIterator[tuple[HooksServer, int, str]]:
    """A server on a loopback port and a unix socket."""
    path = str(folder / "s")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path)
        for sock in (tcp, unix):
            sock.setblocking(False)
        server = HooksServer(handler, body_limit=1024)
        async with server.on((unix, tcp), public=None, backlog=16):
            yield server, tcp.getsockname()[1], path


async def test_the_public_socket_speaks_tls_and_http_2(tmp_path: Path) -> None:
    authority, handler = Authority(tmp_path), Handler()
    cert, key = (Pem(key="server.https", text=file.read_bytes()) for file in authority.issue("server"))
    options = TlsOptions(certificates=(CertifiedKey(cert=cert, key=key),))
    server = HooksServer(handler, body_limit=1024)

    def publish(port: int) -> int:
        with http2_client(port, str(authority.file)) as client:
            return client.response(client.request("POST", "/topics/a", body=b"x")).status

    with socket.socket() as public:
        public.bind(("127.0.0.1", 0))
        public.listen()
        tls = open_tls(options, http2=True)
        async with asyncio.timeout(LIMIT), server.on((), public=public, backlog=16, tls=tls):
            publishing = asyncio.create_task(asyncio.to_thread(publish, public.getsockname()[1]))
            exchange = await handler.exchanges.get()
            exchange.respond(ACCEPTED)
            assert await publishing == 202


async def test_both_sockets_answer(tmp_path: Path) -> None:
    handler = Handler()
    async with asyncio.timeout(LIMIT), listening(handler, tmp_path) as (_, port, path):
        for opening in (asyncio.open_connection("127.0.0.1", port), asyncio.open_unix_connection(path)):
            reader, writer = await opening
            for _ in range(2):
                writer.write(REQUEST)
                (await handler.exchanges.get()).respond(ACCEPTED)
                assert await reader.readuntil(b"\r\n\r\n") == ACCEPTED_HEAD + b"content-length: 0\r\n\r\n"
            writer.close()
            await writer.wait_closed()


async def test_stop_lets_requests_in_flight_finish_and_answers_one_that_is_on_its_way(tmp_path: Path) -> None:
    handler = Handler()
    async with asyncio.timeout(LIMIT), listening(handler, tmp_path) as (server, port, _):
        busy, busy_writer = await asyncio.open_connection("127.0.0.1", port)
        idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        busy_writer.write(REQUEST)
        in_flight = await handler.exchanges.get()
        idle_writer.write(REQUEST)  # so that it is surely accepted
        (await handler.exchanges.get()).respond(ACCEPTED)
        await idle.readuntil(b"\r\n\r\n")

        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(drain(server, Stops(StopRequest(timeout=LIMIT)), share=1))
            await asyncio.sleep(0)
            idle_writer.write(REQUEST)
            (await handler.exchanges.get()).respond(ACCEPTED)
            assert b"connection: close" in await idle.read()
            assert not draining.done()
            in_flight.respond(ACCEPTED)
            assert b"connection: close" in await busy.read()
        for writer in (busy_writer, idle_writer):
            writer.close()


async def test_stop_waits_no_longer_than_its_limit_and_closes_idle_clients(tmp_path: Path) -> None:
    handler = Handler()
    gone = asyncio.Event()
    async with asyncio.timeout(LIMIT):
        async with listening(handler, tmp_path) as (server, port, _):
            busy, busy_writer = await asyncio.open_connection("127.0.0.1", port)
            busy_writer.write(REQUEST)
            (await handler.exchanges.get()).on_gone(gone.set)
            idle, idle_writer = await asyncio.open_connection("127.0.0.1", port)
            idle_writer.write(REQUEST)
            (await handler.exchanges.get()).respond(ACCEPTED)
            await drain(server, Stops(StopRequest(timeout=0.2)), share=1)
            await idle.readuntil(b"\r\n\r\n")
            assert await idle.read() == b""
        await gone.wait()
        for reader, writer in ((busy, busy_writer), (idle, idle_writer)):
            assert await reader.read() == b""
            writer.close()
