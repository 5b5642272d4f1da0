"""Accepts clients on the sockets a worker was given, keeps time for them, and lets them finish at a stop."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from pywatt.http.limits import ConnectionLimits
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.listening import Accept, Listener, http2_over, listen
from pywatt.http.server.open_connections import OpenConnections, carrier_limit
from pywatt.http.tls.server_tls import ServerTls


class ServedConnection(Protocol):
    """A client's connection, as its server sees it."""

    @property
    def idle(self) -> bool:
        """True when no request is being read or served."""
        ...

    def look_at_time(self, now: float) -> None:
        """Enforce the timeouts."""
        ...

    def close(self) -> None:
        """Close once everything was sent."""
        ...

    def abort(self) -> None:
        """Break the connection off."""
        ...


ClientT = TypeVar("ClientT", bound=ServedConnection)


class Listening(NamedTuple):
    """A listening socket to serve on."""

    sock: socket.socket
    accept: Accept
    """Makes the protocol of a new connection, which reports to the server by `opened` and `closed`."""
    tls: ServerTls | None = None


class HttpServer(Generic[ClientT]):
    """Serves the clients of one worker."""

    def __init__(
        self,
        *,
        fair_queue: FairQueue | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`fair_queue`: the queue of the clients that send more than one request at once."""
        self.clients: OpenConnections[ClientT] = OpenConnections(clock=clock, on_tick=self._renew)
        self.carriers: OpenConnections[Any] = OpenConnections(clock=clock, limit=carrier_limit())
        """Connections that are no clients themselves: in their TLS handshake, or with streams of HTTP/2."""
        self.draining = False
        """True when every response says `Connection: close`."""
        self.fair_queue = FairQueue() if fair_queue is None else fair_queue
        self.now = 0.0
        self.date = b""
        """A header line."""
        self._wall_clock = wall_clock
        self._listeners: list[Listener] = []
        self.clients.tick()

    def opened(self, client: ClientT) -> None:
        """Add a client. `now` and `date` are right from here on."""
        self.clients.add(client)

    def closed(self, client: ClientT) -> None:
        """Remove a client."""
        self.clients.discard(client)

    # The steps of a stop: see `pywatt.worker.asgi.drain`.

    def refuse(self) -> None:
        """Accept no client any more; each response from now on says so."""
        self.draining = True
        for listener in self._listeners:
            listener.close()
        for carrier in list(self.carriers):
            carrier.retire()

    async def none_left(self) -> None:
        """Wait until every client has left."""
        while self.clients or self.carriers:
            await self.carriers.none_left.wait()
            await self.clients.none_left.wait()

    async def close_websockets(self) -> None:
        """Tell the clients of WebSockets that the service restarts; here there are none."""

    async def close_idle(self) -> None:
        """Close idle connections."""
        for client in list(self.clients):
            if client.idle:
                client.close()
        for carrier in list(self.carriers):
            carrier.finish()

    async def end_events(self) -> None:
        """End streams of server-sent events, whose clients will come back; here there are none."""

    async def cut_off(self) -> None:
        """Break off the connections that are left."""
        for client in [*self.carriers, *self.clients]:
            client.abort()
        await self.none_left()

    def _renew(self, now: float) -> None:
        self.now = now
        self.date = b"date: %b\r\n" % formatdate(self._wall_clock(), usegmt=True).encode()

    async def _listen(self, listening: Listening, backlog: int) -> None:
        loop = asyncio.get_running_loop()
        self.clients.start(loop)
        self.carriers.start(loop)
        own = listening.sock.dup()  # a listener closes what it is given
        accept_http2 = http2_over(
            listening.accept,
            listening.tls,
            carriers=self.carriers,
            fair_queue=self.fair_queue,
            draining=lambda: self.draining,
            limits=ConnectionLimits(),
        )
        self._listeners.append(
            await listen(
                own,
                listening.accept,
                backlog=backlog,
                carriers=self.carriers,
                tls=listening.tls,
                accept_http2=accept_http2,
            )
        )


@asynccontextmanager
async def serving(server: HttpServer[ClientT], sockets: Iterable[Listening], *, backlog: int) -> AsyncIterator[None]:
    """Serve on listening sockets, which stay the caller's, until the block is left; then break off the clients.

    `backlog`: connections that may wait to be accepted, as each socket was given.
    """
    try:
        for listening in sockets:
            await server._listen(listening, backlog)
        yield
    finally:
        server.refuse()
        await server.cut_off()
        server.clients.close()
        server.carriers.close()
