"""What an exchange needs of those around it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from pywatt.errors import MeshError
from pywatt.http.client.connection import Connection
from pywatt.http.server.turns import Turns
from pywatt.mesh.address import Destination
from pywatt_services.gateway.routes import RouteTable


class Upstreams(Protocol):
    """What the gateway needs of the mesh client."""

    def take(self, destination: Destination) -> Connection | None:
        """Return an idle connection, if there is one."""
        ...

    def dial(
        self, destination: Destination, opened: Callable[[Connection], None], failed: Callable[[MeshError], None]
    ) -> asyncio.Task[None]:
        """Open a connection and call back."""
        ...


class Site(Protocol):
    """What all exchanges of a gateway share."""

    @property
    def upstreams(self) -> Upstreams:
        """Where connections to services come from."""
        ...

    @property
    def routes(self) -> RouteTable:
        """All routes."""
        ...

    @property
    def draining(self) -> bool:
        """Whether connections close after their current response."""
        ...

    @property
    def turns(self) -> Turns:
        """Of those who have more to pass on than one turn of the event loop allows."""
        ...

    @property
    def date(self) -> bytes:
        """A Date header line."""
        ...


class Client(Protocol):
    """Who sent the request."""

    def write(self, data: bytes) -> None:
        """Send something."""
        ...

    def exchange_ended(self, *, close: bool) -> None:
        """The response was written to its end."""
        ...

    def exchange_failed(self, status: int, message: str) -> None:
        """No response came: answer with an error."""
        ...

    def exchange_upgraded(self) -> None:
        """From now on bytes go both ways."""
        ...

    def tunnel_ended(self) -> None:
        """The service closed the tunnel."""
        ...

    def abort(self) -> None:
        """Break the connection off: a response that was begun cannot be completed."""
        ...

    def pause_reading(self) -> None:
        """Take nothing more in."""
        ...

    def resume_reading(self) -> None:
        """Take more in."""
        ...
