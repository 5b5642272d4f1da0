"""The engine `uvicorn`: pywatt's HTTP connections and uvicorn's WebSockets, under a server with a graceful stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from uvicorn import Config

from pywatt.http.server.listening import Listener, http2_over, listen, open_tls
from pywatt.http.server.open_connections import OpenConnections, carrier_limit
from pywatt.http.server.own_user import own_user_only
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.asgi.drain import Drainable
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners, is_not_a_cancellation
from pywatt.worker.asgi.http_connection import DatedHttpConnection, HttpConnection, HttpListener
from pywatt.worker.asgi.lifespan import Receive, Scope, Send
from pywatt.worker.asgi.websocket import WorkerWebSocket

CANCEL_LIMIT = 1.0
"""Seconds that requests get to end after they were cut off."""

logger = pywatt_logger("uvicorn.error")


class _UvicornEngine:
    def __init__(self, streams: Streams, state: dict[str, Any], listeners: Listeners) -> None:
        self.close_websockets = streams.close_websockets
        self.end_events = streams.end_events
        self._listeners = listeners
        self._lifespan_state = state
        self._config = _config(streams)
        self._connections: OpenConnections[Any] = OpenConnections()
        self._tasks: set[asyncio.Task[None]] = set()
        self._states: list[HttpListener] = []
        self._servers: list[Listener] = []
        self._carriers: OpenConnections[Any] = OpenConnections(limit=carrier_limit())

    async def listen(self) -> None:
        self._connections.start(asyncio.get_running_loop())
        self._carriers.start(asyncio.get_running_loop())
        # The protocols of mesh and public connections note their default headers in different places.
        mesh, public = self._state(), self._state()
        for sock in self._listeners.mesh:
            await self._listen(sock, HttpConnection, mesh)
        if self._listeners.public is not None:
            await self._listen(self._listeners.public, DatedHttpConnection, public)

    def refuse(self) -> None:
        for state in self._states:
            state.draining = True
        for server in self._servers:
            server.close()
        self._servers.clear()
        for connection in self._connections:
            if isinstance(connection, HttpConnection):
                connection.announce_close()
        for carrier in list(self._carriers):
            carrier.retire()

    async def none_left(self) -> None:
        while self._connections or self._carriers or self._tasks:
            await self._carriers.none_left.wait()
            await self._connections.none_left.wait()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def close_idle(self) -> None:
        for connection in list(self._connections):
            if isinstance(connection, HttpConnection):
                connection.shutdown()
        for carrier in list(self._carriers):
            carrier.finish()

    async def cut_off(self) -> None:
        # A request sees first that its client is gone, as most frameworks handle well, and is cancelled only then.
        for carrier in list(self._carriers):
            carrier.abort()
        for connection in list(self._connections):
            connection.transport.abort()
        await self._carriers.none_left.wait()
        await self._connections.none_left.wait()
        await asyncio.sleep(0)
        logger.addFilter(is_not_a_cancellation)
        try:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=CANCEL_LIMIT)
        finally:
            logger.removeFilter(is_not_a_cancellation)
            self._connections.close()
            self._carriers.close()

    async def _listen(self, sock: socket.socket, protocol: type[HttpConnection], state: HttpListener) -> None:
        make = partial(protocol, config=self._config, server_state=state, app_state=self._lifespan_state)
        public = sock is self._listeners.public
        accept = make if public else own_user_only(sock, make)
        tls = open_tls(self._listeners.https, http2=self._listeners.http2) if public else None
        accept_http2 = http2_over(
            accept,
            tls,
            carriers=self._carriers,
            fair_queue=state.fair_queue,
            draining=lambda: state.draining,
            limits=state.limits,
        )
        backlog = self._listeners.backlog
        self._servers.append(
            await listen(sock, accept, backlog=backlog, carriers=self._carriers, tls=tls, accept_http2=accept_http2)
        )

    def _state(self) -> HttpListener:
        state = HttpListener(self._connections, self._tasks)
        self._states.append(state)
        return state


@asynccontextmanager
async def uvicorn_engine(streams: Streams, state: dict[str, Any], listeners: Listeners) -> AsyncIterator[Drainable]:
    """Serve until the context is left; `state` is the lifespan's."""
    engine = _UvicornEngine(streams, state, listeners)
    try:
        await engine.listen()
        yield engine
    finally:
        # However the service ended, nothing may be left open or running.
        engine.refuse()
        await engine.cut_off()


def _config(streams: Streams) -> Config:
    config = Config(
        _never_called,
        http=HttpConnection,
        ws=WorkerWebSocket,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
    )
    config.load()
    # load() calls what it is given without arguments, to see whether it is a factory; ours never is.
    config.loaded_app = streams
    return config


async def _never_called(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("stands for the application while uvicorn's configuration loads")
