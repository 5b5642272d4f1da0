"""hypercorn, for services that want what only it has, such as HTTP/2 without TLS."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from pywatt.errors import MissingExtra
from pywatt.worker.engine import KEEP_ALIVE, Engine, Listeners, is_not_a_cancellation
from pywatt.worker.lifespan import Application, Receive, Scope, Send

try:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config
except ModuleNotFoundError as error:
    raise MissingExtra("hypercorn", "hypercorn", needed_by='server.engine "hypercorn"') from error


class _HypercornEngine:
    def __init__(self, config: Config) -> None:
        self.stopping = asyncio.Event()
        self.ended = asyncio.Event()
        self._config = config

    def stop(self, limit: float) -> None:
        self._config.graceful_timeout = limit
        # Connections that are cut off at the limit are reported as callbacks that raised.
        logging.getLogger("asyncio").addFilter(is_not_a_cancellation)
        self.stopping.set()

    async def drained(self) -> None:
        await self.ended.wait()


@asynccontextmanager
async def hypercorn_engine(app: Application, state: dict[str, Any], listeners: Listeners) -> AsyncIterator[Engine]:
    """Serve until the context is left; `state` is the lifespan's."""
    config = _config(listeners)
    engine = _HypercornEngine(config)

    async def run() -> None:
        try:
            await serve(_with_state(app, state), config, shutdown_trigger=engine.stopping.wait, mode="asgi")  # type: ignore[arg-type]
        finally:
            engine.ended.set()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(run())
        try:
            yield engine
        finally:
            engine.stopping.set()
    logging.getLogger("asyncio").removeFilter(is_not_a_cancellation)


def _config(listeners: Listeners) -> Config:
    config = Config()
    sockets = [*listeners.mesh, *([listeners.public] if listeners.public else [])]
    # hypercorn closes what it listens on: it gets the descriptors themselves, not a second owner of them.
    config.bind = [f"fd://{sock.detach()}" for sock in sockets]
    config.backlog = listeners.backlog
    config.keep_alive_timeout = KEEP_ALIVE
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.include_server_header = False
    config.include_date_header = listeners.public is not None
    return config


def _with_state(app: Application, state: dict[str, Any]) -> Application:
    """Return the application with its lifespan answered here, since it has already started."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)
            return
        scope["state"].update(state)
        for phase in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{phase}.complete"})

    return asgi
