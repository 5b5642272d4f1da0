"""Protocols of the parts of a gateway that each proxied exchange uses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Protocol

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import Headers
from pywatt.http.server.fair_queue import FairQueue
from pywatt.mesh.address import Destination
from pywatt_services.gateway.routes import RouteTable


class Upstreams(Protocol):
    """Connections to services: see `pywatt.mesh.client.MeshClient`."""

    def take(self, destination: Destination) -> ClientConnection | None:
        """Return an idle connection, if there is one."""
        ...

    def dial(
        self,
        destination: Destination,
        opened: Callable[[ClientConnection], None],
        failed: Callable[[MeshError], None],
        avoid: Collection[str] = (),
    ) -> asyncio.Task[None]:
        """Open a connection and call back. `avoid`: names of workers that are taken only if there are no others."""
        ...


class Downstream(Protocol):
    """The connection of the client that sent the request."""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        ...

    def exchange_ended(self, *, close: bool) -> None:
        """Go on: the response was written to its end."""
        ...

    def exchange_answered(self, status: int, headers: Headers, body: bytes) -> None:
        """Respond in place of the service, and go on."""
        ...

    def exchange_failed(self, status: int, message: str, headers: Headers = ()) -> None:
        """Respond with an error: the service has not responded."""
        ...

    def exchange_upgraded(self) -> None:
        """Pass bytes both ways from now on."""
        ...

    def tunnel_ended(self) -> None:
        """Close: the service has closed the tunnel."""
        ...

    def abort(self) -> None:
        """Break the connection off: a response that has begun cannot be completed."""
        ...

    def pause_reading(self) -> None:
        """Take nothing more in."""
        ...

    def resume_reading(self) -> None:
        """Take more in."""
        ...


class GatewayContext(Protocol):
    """The parts of a gateway that an exchange uses."""

    @property
    def upstreams(self) -> Upstreams:
        """The source of connections to services."""
        ...

    @property
    def routes(self) -> RouteTable:
        """All routes."""
        ...

    @property
    def draining(self) -> bool:
        """True when connections close after their current response."""
        ...

    @property
    def fair_queue(self) -> FairQueue:
        """The queue for bytes that are more than one turn of the event loop allows."""
        ...

    @property
    def date(self) -> bytes:
        """A Date header line."""
        ...
