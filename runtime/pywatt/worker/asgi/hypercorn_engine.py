"""hypercorn, for services that want its features, such as HTTP/2 without TLS.

Its connections under a server of our own: hypercorn's closes idle connections as soon as it stops accepting.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any

from pywatt.errors import MissingExtra
from pywatt.http.limits import ConnectionLimits
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.listening import Listener, listen, open_tls
from pywatt.http.server.open_connections import OpenConnections, carrier_limit
from pywatt.http.server.own_user import own_user_only
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.asgi.drain import Drainable
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners, is_not_a_cancellation
from pywatt.worker.asgi.forwarded import UNIX_CLIENT, UNIX_SERVER
from pywatt.worker.asgi.lifespan import Application, Receive, Scope, Send

try:
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.asyncio.worker_context import WorkerContext
    from hypercorn.config import Config

    from pywatt.worker.asgi.hypercorn_connection import HypercornConnection
except ModuleNotFoundError as error:
    raise MissingExtra("hypercorn", "hypercorn", needed_by='server.engine "hypercorn"') from error


H11_SIZE = 256 * 1024
"""Bytes of a head above which h11 refuses it: more than one has that was let in, each byte of it percent-encoded."""


class _HypercornEngine:
    def __init__(self, streams: Streams, state: dict[str, Any], listeners: Listeners) -> None:
        self.close_websockets = streams.close_websockets
        self.end_events = streams.end_events
        self._app = ASGIWrapper(_named(streams))  # type: ignore[arg-type]  # its types name every event
        self._lifespan_state = state
        self._listeners = listeners
        self._config = _config(listeners)
        self._context = WorkerContext(None)
        self._limits = ConnectionLimits()
        self._connections: set[asyncio.Task[Any]] = set()
        self._open: OpenConnections[HypercornConnection] = OpenConnections()
        self._fair_queue = FairQueue(steps=1)  # hypercorn takes many turns of the loop for each request
        self._servers: list[Listener] = []
        self._carriers: OpenConnections[Any] = OpenConnections(limit=carrier_limit())

    async def listen(self) -> None:
        self._open.start(asyncio.get_running_loop())
        self._carriers.start(asyncio.get_running_loop())
        public = [self._listeners.public] if self._listeners.public is not None else []
        for sock in (*self._listeners.mesh, *public):
            await self._listen(sock)

    def refuse(self) -> None:
        self._config.keep_alive_max_requests = 0  # hypercorn's way to say `Connection: close`, or GOAWAY
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def none_left(self) -> None:
        while self._connections or self._carriers:
            await self._carriers.none_left.wait()
            if self._connections:
                await asyncio.wait(self._connections)

    async def close_idle(self) -> None:
        await self._context.terminated.set()

    async def cut_off(self) -> None:
        # Connections that are cut off are reported as callbacks that raised.
        log = logging.getLogger("asyncio")
        log.addFilter(is_not_a_cancellation)
        try:
            for carrier in list(self._carriers):
                carrier.abort()
            await self._carriers.none_left.wait()
            for connection in self._connections:
                connection.cancel()
            if self._connections:
                await asyncio.wait(self._connections)
            await asyncio.sleep(0)
        finally:
            log.removeFilter(is_not_a_cancellation)
            self._open.close()
            self._carriers.close()

    async def _listen(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()

        def accept() -> asyncio.StreamReaderProtocol:
            return asyncio.StreamReaderProtocol(asyncio.StreamReader(loop=loop), self._serve, loop=loop)

        public = sock is self._listeners.public
        checked = accept if public else own_user_only(sock, accept)
        tls = open_tls(self._listeners.https, http2=self._listeners.http2) if public else None
        backlog = self._listeners.backlog
        # hypercorn speaks HTTP/2 itself, when the handshake has agreed on it.
        self._servers.append(
            await listen(sock, checked, backlog=backlog, carriers=self._carriers, tls=tls, accept_http2=checked)
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        loop = asyncio.get_running_loop()
        await HypercornConnection(
            self._app,
            loop,
            self._config,
            self._context,
            self._lifespan_state,
            reader,
            writer,
            connections=self._open,
            limits=self._limits,
            fair_queue=self._fair_queue,
        )


@asynccontextmanager
async def hypercorn_engine(streams: Streams, state: dict[str, Any], listeners: Listeners) -> AsyncIterator[Drainable]:
    """Serve until the context is left; `state` is the lifespan's."""
    engine = _HypercornEngine(streams, state, listeners)
    try:
        await engine.listen()
        yield engine
    finally:
        engine.refuse()
        await engine.close_idle()
        await engine.cut_off()


def _named(app: Application) -> Application:
    """Return the application with a name for who is on the unix socket, where hypercorn has none."""

    def asgi(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["client"] is None:
            scope["client"], scope["server"] = UNIX_CLIENT, UNIX_SERVER
        return app(scope, receive, send)

    return asgi


def _config(listeners: Listeners) -> Config:
    config = Config()
    config.backlog = listeners.backlog
    config.keep_alive_timeout = ConnectionLimits().keep_alive
    config.h11_max_incomplete_size = H11_SIZE
    config.accesslog = None
    config.errorlog = pywatt_logger("hypercorn.error")
    config.include_server_header = False
    config.include_date_header = listeners.public is not None
    return config
