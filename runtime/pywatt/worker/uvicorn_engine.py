"""uvicorn's protocols under a server of our own: no idle ticks, no signal handlers, a gentle stop."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from pywatt.worker.engine import KEEP_ALIVE, Engine, Listeners, is_not_a_cancellation
from pywatt.worker.lifespan import Application, Receive, Scope, Send
from pywatt.worker.protocol import DatedWorkerProtocol, WorkerProtocol, WorkerWebSocket

LINGER = 0.5
"""Seconds that idle connections stay open at a stop, so that busy clients are told to close them by an answer."""
CANCEL_LIMIT = 1.0
"""Seconds that requests get to end after they were cut off."""

logger = logging.getLogger("uvicorn.error")


class _Connections(set[Any]):
    """The open connections; tells when there is none."""

    def __init__(self) -> None:
        super().__init__()
        self.none_left = asyncio.Event()
        self.none_left.set()

    def add(self, connection: Any) -> None:
        super().add(connection)
        self.none_left.clear()

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        if not self:
            self.none_left.set()

    def remove(self, connection: Any) -> None:
        super().remove(connection)
        if not self:
            self.none_left.set()


class _UvicornEngine:
    def __init__(self, app: Application, state: dict[str, Any], listeners: Listeners) -> None:
        self._listeners = listeners
        self._state = state
        self._config = _config(app)
        self._connections = _Connections()
        self._tasks: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.AbstractServer] = []
        self._deadline = 0.0

    async def listen(self) -> None:
        mesh, public = self._server_state(), self._server_state()
        for sock in self._listeners.mesh:
            await self._listen(sock, WorkerProtocol, mesh)
        if self._listeners.public is not None:
            await self._listen(self._listeners.public, DatedWorkerProtocol, public)

    def stop(self, limit: float) -> None:
        self._deadline = asyncio.get_running_loop().time() + limit
        self._close_listeners()
        for connection in list(self._connections):
            if isinstance(connection, WorkerProtocol):
                connection.finish()
            else:
                connection.shutdown()  # a WebSocket is told that the service restarts: 1012

    async def drained(self) -> None:
        loop = asyncio.get_running_loop()
        linger = min(loop.time() + LINGER, self._deadline)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(linger):
                await self._connections.none_left.wait()
        for connection in list(self._connections):
            connection.shutdown()
        try:
            async with asyncio.timeout_at(self._deadline):
                await self._connections.none_left.wait()
                while self._tasks:
                    await asyncio.wait(self._tasks)
        except TimeoutError:
            await self._cut_off()

    async def close(self) -> None:
        """Leave nothing open or running, however the service ended."""
        self._close_listeners()
        if self._connections or self._tasks:
            await self._cut_off()

    async def _listen(self, sock: socket.socket, protocol: type[WorkerProtocol], state: ServerState) -> None:
        make = partial(protocol, config=self._config, server_state=state, app_state=self._state)
        loop = asyncio.get_running_loop()
        self._servers.append(await loop.create_server(make, sock=sock, backlog=self._listeners.backlog))

    def _server_state(self) -> ServerState:
        state = ServerState()
        state.connections, state.tasks = self._connections, self._tasks
        return state

    def _close_listeners(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _cut_off(self) -> None:
        # A request sees first that its client is gone, as most frameworks handle well, and is cancelled only then.
        for connection in list(self._connections):
            connection.transport.abort()
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


@asynccontextmanager
async def uvicorn_engine(app: Application, state: dict[str, Any], listeners: Listeners) -> AsyncIterator[Engine]:
    """Serve until the context is left; `state` is the lifespan's."""
    engine = _UvicornEngine(app, state, listeners)
    try:
        await engine.listen()
        yield engine
    finally:
        await engine.close()


def _config(app: Application) -> Config:
    config = Config(
        _never_called,
        http=WorkerProtocol,
        ws=WorkerWebSocket,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=KEEP_ALIVE,
    )
    config.load()
    # load() calls what it is given without arguments, to see whether it is a factory; ours never is.
    config.loaded_app = app
    return config


async def _never_called(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("stands for the application while uvicorn's configuration loads")
