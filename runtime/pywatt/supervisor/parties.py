"""What a service needs of those around it."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Protocol

from pywatt.config.model import LogLevel, ServerConfig, ServiceConfig
from pywatt.supervisor.monitor.start_deadlocks import CircleWatch
from pywatt.supervisor.publication import Publication


class App(Protocol):
    """What a service needs from the app around it."""

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker."""
        ...

    def entry(self, service: ServiceConfig) -> tuple[socket.socket | None, str, ServerConfig]:
        """Return the public socket if this service is the entrypoint, the base path, and the server block."""
        ...

    circles: CircleWatch

    @property
    def mesh(self) -> Publication:
        """The mesh table, and who is told of it."""
        ...

    def exported(self, service: ServiceConfig, variables: Mapping[str, str]) -> None:
        """Take the variables which a worker that got ready exports."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...
