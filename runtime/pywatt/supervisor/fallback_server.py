"""Answers on the sockets of services that have failed, where connections would wait in the backlog for ever.

Workers accept on these sockets, the supervisor holds them. While no worker runs and none is being started, each request
gets a 503 with the reason at once; while one is being started, connections wait for it, a few seconds long.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from typing import cast

import anyio

from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON, write_response
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshService, ServiceState, not_running
from pywatt.supervisor.process.sockets import LOOPBACK_BACKLOG
from pywatt.supervisor.publication import Publication

PATIENCE = MeshLimits().failing
"""Seconds that connections wait while a worker is being started, as calls of mesh clients do."""
LIMIT = 5.0
"""Seconds within which a client must have sent its request and read the answer."""
MOST_HEAD_BYTES = 64 * 1024
MOST_CLIENTS = 512
RETRY_AFTER = (b"retry-after", b"1")


class UnavailableResponder:
    """Answers for the failed services of one app."""

    def __init__(
        self,
        mesh: Publication,
        listeners: Callable[[str], Sequence[socket.socket]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`listeners` returns the sockets on which a service's workers accept."""
        self._mesh = mesh
        self._listeners = listeners
        self._clock = clock
        self._since: dict[str, float] = {}
        """By service: since when a worker of it is being started although it has failed."""
        self._serving: dict[str, tuple[Sequence[socket.socket], list[asyncio.Server]]] = {}
        self._clients: set[asyncio.BaseTransport] = set()

    async def run(self) -> None:
        """Begin and end to answer with each change of the app, until cancelled."""
        try:
            while True:
                updated = self._mesh.updated
                with anyio.move_on_after(await self._look()):
                    await updated.wait()
        finally:
            for service_id in list(self._serving):
                self._end(service_id)
            for client in list(self._clients):
                cast("asyncio.Transport", client).abort()

    async def _look(self) -> float | None:
        """Answer for those services that need it; return the seconds after which another one may."""
        services = self._mesh.versions.table.services
        now = self._clock()
        self._since = {
            service_id: self._since.get(service_id, now)
            for service_id, service in services.items()
            if service.failing and service.starting
        }
        waits = {service_id: since + PATIENCE - now for service_id, since in self._since.items()}
        wanted = {
            service_id
            for service_id, service in services.items()
            if _can_be_answered_for(service) and waits.get(service_id, 0.0) <= 0
        }
        for service_id in self._serving.keys() - wanted:
            self._end(service_id)
        for service_id in wanted:
            await self._begin(service_id)
        return min((wait for wait in waits.values() if wait > 0), default=None)

    async def _begin(self, service_id: str) -> None:
        listeners = self._listeners(service_id)
        if service_id in self._serving:
            if self._serving[service_id][0] == listeners:
                return
            self._end(service_id)
        loop = asyncio.get_running_loop()
        servers = [
            # The loop closes what it is given; the backlog is that of all who share the socket.
            await loop.create_server(lambda: _Client(self, service_id), sock=each.dup(), backlog=LOOPBACK_BACKLOG)
            for each in listeners
        ]
        self._serving[service_id] = listeners, servers

    def _end(self, service_id: str) -> None:
        _, servers = self._serving.pop(service_id)
        for server in servers:
            server.close()

    # What connections need.

    def opened(self, client: asyncio.BaseTransport) -> bool:
        """Count a client in; whether there are not too many."""
        self._clients.add(client)
        return len(self._clients) <= MOST_CLIENTS

    def closed(self, client: asyncio.BaseTransport) -> None:
        """Count a client out."""
        self._clients.discard(client)

    def why(self, service_id: str) -> str:
        """Return why calls of a service fail."""
        service = self._mesh.versions.table.services.get(service_id)
        return f"the service {service_id!r} does not run" if service is None else not_running(service)


def _can_be_answered_for(service: MeshService) -> bool:
    """Return whether nobody accepts its connections; the sockets of one that was stopped are about to be closed."""
    return service.failing and service.port is not None and service.state is not ServiceState.STOPPED


class _Client(asyncio.Protocol):
    """One client, whose first request is answered; further bytes are discarded."""

    def __init__(self, owner: UnavailableResponder, service_id: str) -> None:
        self._owner = owner
        self._service_id = service_id
        self._head = b""
        self._answered = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(LIMIT, self._transport.abort)
        if not self._owner.opened(transport):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._answered or self._transport is None:
            return  # read all the same: closing with unread bytes would reset the connection before the answer is read
        self._head += data
        if b"\r\n\r\n" in self._head or len(self._head) > MOST_HEAD_BYTES:
            self._answered = True
            body = error_body(503, self._owner.why(self._service_id))
            headers = (JSON, RETRY_AFTER, (b"connection", b"close"))
            date = b"date: %b\r\n" % formatdate(usegmt=True).encode()
            with_body = not self._head.startswith(b"HEAD ")
            self._transport.write(write_response(503, date, headers, body, with_body=with_body))
            self._transport.write_eof()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._owner.closed(self._transport)
