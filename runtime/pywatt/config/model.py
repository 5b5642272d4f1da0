"""The app's configuration after loading: frozen, complete, typed.

Durations are seconds (the files say milliseconds, as the original does). No raw configuration travels past this.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class LogLevel(enum.IntEnum):
    """Pino's levels, which the original's log lines carry as numbers."""

    TRACE = 10
    DEBUG = 20
    INFO = 30
    WARN = 40
    ERROR = 50
    FATAL = 60
    SILENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where the entrypoint listens. Original: `server.hostname`, `server.port`, `server.backlog`."""

    hostname: str = "127.0.0.1"
    port: int = 0
    backlog: int = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownConfig:
    """Seconds that a graceful stop may take. Original: `gracefulShutdown.runtime`, `.application` (milliseconds)."""

    runtime: float = 30.0
    service: float = 10.0


class RestartPolicy(enum.StrEnum):
    """Which ends of a worker are followed by a new start: OTP's restart types."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a failure: exit status 0 means that the work is done."""
    TEMPORARY = "temporary"
    """Never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartConfig:
    """Whether, and how soon, a worker that ended is replaced. Original: `restartOnError`."""

    policy: RestartPolicy = RestartPolicy.PERMANENT
    delay: float = 0.0
    """Seconds before the first replacement; further ones back off exponentially."""
    longest_delay: float = 15.0
    """Seconds between two starts that the backoff does not exceed."""
    intensity: int = 5
    """How many failures within `period` are borne before the slot counts as being in a crash loop."""
    period: float = 60.0
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCommand:
    """A program that makes what a service runs, run by `pywatt build` in the service's folder."""

    words: tuple[str, ...]
    """The program and its arguments."""
    expands: bool = False
    """Whether `$NAME` in the words stands for a variable of the service's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """One service of the app."""

    id: str
    path: Path
    """The service's folder, absolute; its working directory and first import path."""
    file: Path | None = None
    """Its own config file, if it has one."""
    type: str
    """Name of the service type, e.g. `python`, `gateway`, `kafka-hooks`."""
    options: object = None
    """The frozen dataclass which the service type made of the service's own config."""
    workers: int = 1
    env: Mapping[str, str] = field(default_factory=dict)
    """The complete environment of its workers, without what pywatt adds at run time."""
    dependencies: tuple[str, ...] = ()
    """Ids that must be ready before this service starts; they are stopped after it."""
    calls: tuple[str, ...] = ()
    """Ids that this service calls, as its type reports: stopped after it, but its start does not wait for them."""
    restart: RestartConfig = RestartConfig()
    shutdown: float = 10.0
    """Seconds that a worker may take for a graceful stop."""
    log_level: LogLevel = LogLevel.INFO
    preload: tuple[str, ...] = ()
    """Modules which the forkserver imports before it forks a worker of this service."""
    interpreter: Path | None = None
    """The Python that its workers run in, of another virtual environment; None: pywatt's own, forked."""
    build: BuildCommand | None = None
    internal: bool = False
    """Started by pywatt itself (the embedded broker), not listed by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeConfig:
    """The whole app."""

    name: str
    root: Path
    """The folder of the root file, absolute."""
    file: Path
    services: tuple[ServiceConfig, ...]
    entrypoint: str | None
    """Id of the service that holds the public socket; None: the app has no public address."""
    server: ServerConfig = ServerConfig()
    log_level: LogLevel = LogLevel.INFO
    base_path: str = "/"
    """Prefix that the entrypoint takes off incoming paths; `/` for none."""
    start_timeout: float | None = 30.0
    """Seconds within which each service must get ready; None: no limit."""
    shutdown: ShutdownConfig = ShutdownConfig()
    warnings: tuple[str, ...] = ()
    """Things to tell the user once, such as keys that are not supported yet."""

    def service(self, service_id: str) -> ServiceConfig:
        """Return the service with that id. Raises KeyError."""
        for service in self.services:
            if service.id == service_id:
                return service
        raise KeyError(service_id)
