"""Responds on the sockets of services that have failed, where connections would wait in the backlog for ever.

Workers accept on these sockets, the supervisor holds them. While no worker runs and none is being started, each request
gets a 503 with the reason at once; while one is being started, connections wait for it, a few seconds long.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

import anyio

from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshService, ServiceState, not_running
from pywatt.supervisor.publication import Publication

if TYPE_CHECKING:
    from pywatt.http.server.listening import Listener
    from pywatt.http.tls.options import TlsOptions
    from pywatt.supervisor.fallback_connection import FallbackClients

PATIENCE = MeshLimits().failing
"""Seconds that connections wait while a worker is being started, as calls of mesh clients do."""


class FallbackServer:
    """Serves in place of the failed services of one app."""

    def __init__(
        self,
        mesh: Publication,
        listeners: Callable[[str], Sequence[socket.socket]],
        tls: Callable[[socket.socket], TlsOptions | None] = lambda _listener: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`listeners` returns the sockets on which a service's workers accept, `tls` the TLS of one of them."""
        self._mesh = mesh
        self._listeners = listeners
        self._tls = tls
        self._clock = clock
        self._since: dict[str, float] = {}
        """By service: the time since which a worker of it is being started although it has failed."""
        self._serving: dict[str, tuple[Sequence[socket.socket], list[Listener]]] = {}
        self._clients: FallbackClients | None = None
        """None until the first service fails."""

    async def run(self) -> None:
        """Begin and end to serve with each change of the app, until cancelled."""
        try:
            while True:
                updated = self._mesh.updated
                with anyio.move_on_after(await self._update()):
                    await updated.wait()
        finally:
            for service_id in list(self._serving):
                self._end(service_id)
            if self._clients is not None:
                self._clients.close()

    async def _update(self) -> float | None:
        """Serve in place of those services that need it; return the seconds after which another one may."""
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
            if _has_failed(service) and waits.get(service_id, 0.0) <= 0
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
        if self._clients is None:
            from pywatt.supervisor.fallback_connection import FallbackClients

            self._clients = FallbackClients(self._clock)
        reason = partial(self._reason, service_id)
        self._serving[service_id] = (
            listeners,
            [await self._clients.listen(each, reason, self._tls(each)) for each in listeners],
        )

    def _end(self, service_id: str) -> None:
        _, servers = self._serving.pop(service_id)
        for server in servers:
            server.close()

    def _reason(self, service_id: str) -> str:
        service = self._mesh.versions.table.services.get(service_id)
        return f"the service {service_id!r} does not run" if service is None else not_running(service)


def _has_failed(service: MeshService) -> bool:
    """Return whether nobody accepts its connections; the sockets of one that was stopped are about to be closed."""
    return service.failing and service.port is not None and service.state is not ServiceState.STOPPED
