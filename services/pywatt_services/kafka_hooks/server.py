"""Accepts clients on the sockets a worker was given, keeps time for them, and lets them finish at a stop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import partial

from pywatt.http.request_reader import HeadLimits
from pywatt.service_type import ServiceContext
from pywatt_services.kafka_hooks.connection import HttpConnection
from pywatt_services.kafka_hooks.exchange import Handler
from pywatt_services.kafka_hooks.publish_options import BODY_LIMIT

TICK = 1.0  # seconds between two looks at the clock: limits on time are kept to about that, and cost a request nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """How large a head may be, and how many seconds clients may take."""

    head: HeadLimits = field(default_factory=HeadLimits)
    request: float = 60.0
    """From the first byte of a request to its last."""
    idle: float = 75.0
    """Without a further request: longer than any pool of ours keeps a connection, so that pools close first."""
    write: float = 60.0
    """For which a client may leave answers untaken."""
    linger: float = 2.0
    """For which a connection is read, and what comes thrown away, after a refusal."""


class HttpServer:
    """All clients of one worker."""

    def __init__(
        self,
        handler: Handler,
        *,
        base_path: str = "/",
        body_limit: int = BODY_LIMIT,
        limits: ClientLimits = ClientLimits(),
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`base_path`: taken off the paths that have it. `body_limit`: bytes."""
        self.handler = handler
        self.body_limit = body_limit
        self.limits = limits
        self.draining = False
        """Whether connections close after their current answer."""
        self.now = 0.0
        self.date = b""
        """A header line."""
        self._base_path = base_path.rstrip("/")
        self._clock = clock
        self._wall_clock = wall_clock
        self._clients: set[HttpConnection] = set()
        self._client_left = asyncio.Event()
        self._listeners: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self.tick()

    def local_path(self, path: str) -> str:
        """Return a path without the prefix that the app is mounted at."""
        base = self._base_path
        if base and (path == base or path.startswith(f"{base}/")):
            return path[len(base) :] or "/"
        return path

    def tick(self) -> None:
        """Look at the clock: renew the date, close what took too long."""
        self.now = self._clock()
        self.date = b"date: %b\r\n" % formatdate(self._wall_clock(), usegmt=True).encode()
        for client in list(self._clients):
            client.look_at_time(self.now)

    def opened(self, client: HttpConnection) -> None:
        """Count a client in."""
        self._clients.add(client)

    def closed(self, client: HttpConnection) -> None:
        """Count a client out."""
        self._clients.discard(client)
        self._client_left.set()

    async def listen(self, sockets: Sequence[socket.socket], *, public: socket.socket | None, backlog: int) -> None:
        """Begin to accept clients; the sockets stay the caller's."""
        loop = asyncio.get_running_loop()
        self._keep_ticking()
        for each in (*sockets, *([] if public is None else [public])):
            sock = each.dup()  # the event loop closes what it is given
            make = partial(HttpConnection, self, public=each is public)
            if sock.family == socket.AF_UNIX:
                listener = await loop.create_unix_server(make, sock=sock, backlog=backlog)
            else:
                listener = await loop.create_server(make, sock=sock, backlog=backlog)
            self._listeners.append(listener)

    # The steps of a stop: see `pywatt.worker.drain`.

    def refuse(self) -> None:
        """Accept nobody any more; each answer from now on says so."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()

    async def none_left(self) -> None:
        """Wait until every client has left."""
        while self._clients:
            self._client_left.clear()
            await self._client_left.wait()

    async def close_websockets(self) -> None:
        """Do nothing: there are none here."""

    async def close_idle(self) -> None:
        """Close connections that nothing is going on on; the others close with their answer."""
        for client in list(self._clients):
            if client.idle:
                client.close()

    async def end_events(self) -> None:
        """Do nothing: there are no event streams here."""

    async def cut_off(self) -> None:
        """Break off what is left."""
        for client in list(self._clients):
            client.abort()
        await self.none_left()

    async def close(self) -> None:
        """Break off everything."""
        if self._timer is not None:
            self._timer.cancel()
        self.refuse()
        await self.cut_off()

    def _keep_ticking(self) -> None:
        self.tick()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._keep_ticking)


@asynccontextmanager
async def serving(server: HttpServer, context: ServiceContext) -> AsyncIterator[None]:
    """Serve on a worker's sockets until the block is left; then break off what remains."""
    try:
        await server.listen((context.endpoint, context.loopback), public=context.public, backlog=context.server.backlog)
        yield
    finally:
        await server.close()
