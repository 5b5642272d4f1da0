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
    drain: float = 60.0
    """Of a worker that has been replaced and that nothing waits for. Ours: `gracefulShutdown.drain`."""


DEFAULT_SHUTDOWN = ShutdownConfig()


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
class ProbeConfig:
    """A question that is asked of every worker again and again. Keys: `probes.startup`, `.liveness`, `.readiness`."""

    http: str | None = None
    """Path that must answer 2xx or 3xx on the worker's own endpoint."""
    command: tuple[str, ...] = ()
    """Program and arguments, which must end with exit status 0."""
    hook: str | None = None
    """Function of the application, as `module:function`, which must not say or raise that something is wrong."""
    interval: float
    """Seconds."""
    timeout: float = 1.0
    """Seconds that one answer may take."""
    failure_threshold: int = 3
    """Failures in a row that count."""
    success_threshold: int = 1
    """Successes in a row that make up for them."""
    initial_delay: float = 0.0
    """Seconds before the first question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbesConfig:
    """What is asked of a service's workers."""

    startup: ProbeConfig | None = None
    """Asked first; when it fails, the worker is killed and its start has failed."""
    liveness: ProbeConfig | None = None
    """When it fails, the worker is killed and replaced."""
    readiness: ProbeConfig | None = None
    """While it fails, nobody calls the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """When a worker that still answers is replaced all the same. Original: `health`."""

    interval: float = 30.0
    """Seconds between two checks of a worker."""
    grace_period: float = 30.0
    """Seconds that a worker has been ready before it is checked."""
    max_unhealthy_checks: int = 10
    """Failed checks in a row after which it is replaced."""
    max_loop_delay: float | None = None
    """Seconds by which its event loop may be late. Original: `health.maxEventLoopDelay` (milliseconds)."""
    max_cpu: float | None = None
    """Share of one core that it may use. Original: `health.maxELU`."""


class Signal(enum.StrEnum):
    """What the number of a service's workers may follow; each is a mean over its workers. Ours: `workers.scaleOn`."""

    CPU = "cpu"
    """Share of one core. Original: the event loop utilization (ELU)."""
    LOOP_DELAY = "loopDelay"
    """Milliseconds that the event loop is late."""
    WAITING = "waiting"
    """Requests taken and not answered yet."""
    KAFKA_LAG = "kafkaLag"
    """Records of the worker's partitions that are not done yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Bounds of a signal."""

    up: float
    """Above it a worker is added."""
    down: float
    """Below it one is taken away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingConfig:
    """How the number of a service's workers changes by itself. Original: `workers` with `dynamic: true`."""

    minimum: int = 1
    maximum: int | None = None
    """None: as many as `RuntimeConfig.total_workers` leaves."""
    cooldown: float = 20.0
    """Seconds between two changes."""
    grace_period: float = 30.0
    """Seconds that a worker has been ready before what it does counts."""
    signals: Mapping[Signal, Threshold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCommand:
    """A program that makes what a service runs, run by `pywatt build` in the service's folder."""

    words: tuple[str, ...]
    """The program and its arguments."""
    expands: bool = False
    """Whether `$NAME` in the words stands for a variable of the service's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """Which changed files of a service's folder mean new code, under `pywatt dev`. Original: `watch`."""

    enabled: bool = True
    allow: tuple[str, ...] = ()
    """Patterns as in .gitignore; none: the usual source and template files."""
    ignore: tuple[str, ...] = ()
    """Patterns of files that do not count, beside those of .gitignore."""


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
    public_path: str | None = None
    """Path below which clients of the app reach this service, `/` for the root; None: they do not reach it."""
    restart: RestartConfig = RestartConfig()
    watchdog: float | None = 30.0
    """Seconds without a sign of life from its event loop after which a worker is killed; None: never."""
    max_memory: int | None = None
    """Bytes that one worker may use before it is replaced."""
    health: HealthConfig = HealthConfig()
    probes: ProbesConfig = ProbesConfig()
    scaling: ScalingConfig | None = None
    """None: it always has `workers` workers."""
    shutdown: float = DEFAULT_SHUTDOWN.service
    """Seconds that a worker may take for a graceful stop."""
    drain: float = DEFAULT_SHUTDOWN.drain
    """Seconds that a worker may take to end once another one serves in its place."""
    log_level: LogLevel = LogLevel.INFO
    stderr_level: LogLevel = LogLevel.ERROR
    """Of text on its standard error that names no level. Ours: `logger.stderrLevel`."""
    preload: tuple[str, ...] = ()
    """Modules which the forkserver imports before it forks a worker of this service."""
    interpreter: Path | None = None
    """The Python that its workers run in, of another virtual environment; None: pywatt's own, forked."""
    before_start: tuple[tuple[str, ...], ...] = ()
    """Commands that run before its workers start, once for all of them."""
    build: BuildCommand | None = None
    watch: WatchConfig = WatchConfig()
    debugged: bool = False
    """Whether its workers listen for an editor's debugger: `pywatt dev --debug`."""
    http: bool = True
    """Whether its workers may answer HTTP; False: its type knows beforehand that they do not."""
    internal: bool = False
    """Started by pywatt itself (the embedded broker), not listed by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoloadConfig:
    """The folder whose folders are services. Original: `autoload`."""

    path: Path
    exclude: frozenset[str] = frozenset()
    """Names of folders that are none."""


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
    left_out: frozenset[str] = frozenset()
    """Ids of services of the files that are not run: disabled, of a profile that is not chosen, or not named."""
    server: ServerConfig = ServerConfig()
    log_level: LogLevel = LogLevel.INFO
    log_history: int = 16 * 1024 * 1024
    """Bytes of log that are kept on disk; 0: none. Ours: `logger.history`."""
    base_path: str = "/"
    """Prefix that the entrypoint takes off incoming paths; `/` for none."""
    start_timeout: float | None = 30.0
    """Seconds within which each service must get ready; None: no limit."""
    shutdown: ShutdownConfig = ShutdownConfig()
    total_workers: int | None = None
    """What all services that scale by themselves may have together; None: as many as there are cores."""
    total_memory: int | None = None
    """Bytes that their workers may use together; None: 90 % of the machine's or the container's memory."""
    autoload: AutoloadConfig | None = None
    env_files: tuple[Path, ...] = ()
    """Files of variables that were read, but for a `.env` in a service's folder."""
    warnings: tuple[str, ...] = ()
    """Things to tell the user once, such as keys that are not supported yet."""

    def service(self, service_id: str) -> ServiceConfig:
        """Return the service with that id. Raises KeyError."""
        for service in self.services:
            if service.id == service_id:
                return service
        raise KeyError(service_id)
