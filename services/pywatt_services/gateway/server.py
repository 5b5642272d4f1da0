"""Accepts clients on the sockets a worker was given, keeps time for them, and lets them finish at a stop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from email.utils import formatdate

from pywatt_services.gateway.client import ClientConnection, ClientState
from pywatt_services.gateway.limits import GatewayLimits
from pywatt_services.gateway.parties import Upstreams
from pywatt_services.gateway.routes import RouteTable

TICK = 1.0
"""Seconds between two looks at the clock; so limits on time are kept to about a second, and cost a request nothing."""


class GatewayServer:
    """All clients of one worker."""

    def __init__(
        self,
        routes: RouteTable,
        upstreams: Upstreams,
        *,
        base_path: str = "/",
        trust_proxy: bool = False,
        limits: GatewayLimits = GatewayLimits(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`base_path`: taken off the paths that have it."""
        self.routes = routes
        self.upstreams = upstreams
        self.base_path = base_path.rstrip("/").encode()
        self.trust_proxy = trust_proxy
        self.limits = limits
        self.draining = False
        """Whether connections close after their current response."""
        self.now = 0.0
        self.date = b""
        self._clock = clock
        self._wall_clock = wall_clock
        self._clients: set[ClientConnection] = set()
        self._client_left = asyncio.Event()
        self._listeners: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self.tick()

    def tick(self) -> None:
        """Look at the clock: renew the date, close what took too long."""
        self.now = self._clock()
        self.date = b"date: %b\r\n" % formatdate(self._wall_clock(), usegmt=True).encode()
        for client in list(self._clients):
            client.look_at_time(self.now)

    def opened(self, client: ClientConnection) -> None:
        """Count a client in."""
        self._clients.add(client)

    def closed(self, client: ClientConnection) -> None:
        """Count a client out."""
        self._clients.discard(client)
        self._client_left.set()

    async def drain(self, timeout: float) -> None:
        """Accept nobody any more and return when every request in flight was answered, or after `timeout` seconds.

        Tunnels are not waited for: nobody can tell when they end.
        """
        self.draining = True
        for listener in self._listeners:
            listener.close()
        idle_grace = min(self.limits.idle_grace, timeout / 2)
        try:
            async with asyncio.timeout(timeout):
                try:
                    async with asyncio.timeout(idle_grace):
                        await self._no_client(lambda _: True)
                except TimeoutError:
                    for client in list(self._clients):
                        if client.idle:
                            client.close()
                await self._no_client(lambda client: client.state is not ClientState.TUNNEL)
        except TimeoutError:
            return

    async def _no_client(self, counts: Callable[[ClientConnection], bool]) -> None:
        while any(counts(client) for client in self._clients):
            self._client_left.clear()
            await self._client_left.wait()

    def _keep_ticking(self) -> None:
        self.tick()
        self._timer = asyncio.get_running_loop().call_later(TICK, self._keep_ticking)

    async def _listen(self, sockets: Sequence[socket.socket]) -> None:
        loop = asyncio.get_running_loop()
        self._keep_ticking()
        for each in sockets:
            sock = each.dup()  # the event loop closes what it is given
            if sock.family == socket.AF_UNIX:
                listener = await loop.create_unix_server(lambda: ClientConnection(self), sock=sock)
            else:
                listener = await loop.create_server(lambda: ClientConnection(self), sock=sock)
            self._listeners.append(listener)

    async def _close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for listener in self._listeners:
            listener.close()
        for client in list(self._clients):
            client.abort()
        await self._no_client(lambda _: True)


@asynccontextmanager
async def serving(server: GatewayServer, sockets: Sequence[socket.socket]) -> AsyncIterator[None]:
    """Serve on listening sockets, which stay the caller's, until the block is left; then break off what remains."""
    try:
        await server._listen(sockets)
        yield
    finally:
        await server._close()
