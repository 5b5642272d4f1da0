"""What a service needs of those around it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Protocol

from pywatt.config.model import LogLevel, ServerConfig, ServiceConfig
from pywatt.mesh.table import MeshTable


class App(Protocol):
    """What a service needs from the app around it."""

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker."""
        ...

    def entry(self, service: ServiceConfig) -> tuple[socket.socket | None, str, ServerConfig]:
        """Return the public socket if this service is the entrypoint, the base path, and the server block."""
        ...

    def table(self) -> MeshTable:
        """Return the newest mesh table."""
        ...

    def changed(self) -> None:
        """Note that a worker's state changed."""
        ...

    def applied(self) -> None:
        """Note that a worker has applied a newer mesh table."""
        ...

    def publish(self) -> int:
        """Send the change that was just made to every worker now; return its version."""
        ...

    async def followed(self, version: int) -> None:
        """Wait until every worker calls by this version of the table."""
        ...

    async def drained(self, version: int) -> None:
        """Wait until no call is in flight any more to what this version of the table dropped."""
        ...

    def exported(self, service: ServiceConfig, variables: Mapping[str, str]) -> None:
        """Take the variables which a worker that got ready exports."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...
