"""The app's configuration after loading: frozen, complete, typed.

Durations are seconds (the files say milliseconds, as the original does). No raw configuration travels past this.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pywatt.config.dashboard_model import UNSET_DASHBOARD, DashboardConfig
from pywatt.config.logger_model import DEFAULT_ROTATION, PLAIN_LOGGER, LoggerConfig, Rotation
from pywatt.config.metrics_model import MetricsConfig
from pywatt.http.tls.options import TlsOptions
from pywatt.telemetry.settings import TelemetryConfig


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
    """The address of the entrypoint, and its TLS. Original: `server.hostname`, `.port`, `.backlog`, `.https`."""

    hostname: str = "127.0.0.1"
    port: int = 0
    backlog: int = 2048
    https: TlsOptions | None = None
    """None: plain HTTP."""
    http2: bool = False
    """True if HTTP/2 is spoken besides HTTP/1.1, with TLS. Original: `server.http2`."""
    redirect_from: int | None = None
    """A port of plain HTTP whose requests are redirected to HTTPS. Ours: `server.https.redirectFrom`."""

    @property
    def address(self) -> tuple[str, int, int]:
        """The address to bind."""
        return self.hostname, self.port, self.backlog


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownConfig:
    """Limits of a graceful stop in seconds. Original: `gracefulShutdown.runtime`, `.application` (milliseconds)."""

    runtime: float = 30.0
    service: float = 10.0
    drain: float = 60.0
    """Limit for a worker that has been replaced and that nothing waits for. Ours: `gracefulShutdown.drain`."""


DEFAULT_SHUTDOWN = ShutdownConfig()


class RestartPolicy(enum.StrEnum):
    """OTP's restart types: the exits of a worker that are followed by a new start."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """Only after a failure: exit status 0 means that the work is done."""
    TEMPORARY = "temporary"
    """Never."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartConfig:
    """Restart policy and backoff of a worker that has ended. Original: `restartOnError`."""

    policy: RestartPolicy = RestartPolicy.PERMANENT
    delay: float = 0.0
    """Seconds before the first restart, and at least before each further one; `supervisor/policy/restart.py` has their
    growth."""
    longest_delay: float
    """Longest delay between two starts, in seconds."""
    intensity: int = 5
    """Failures within `period` that are tolerated before the slot is in a crash loop."""
    period: float = 60.0
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeConfig:
    """A check that each worker has to pass periodically. Keys: `probes.startup`, `.liveness`, `.readiness`."""

    http: str | None = None
    """Path that must answer 2xx or 3xx on the worker's own endpoint."""
    command: tuple[str, ...] = ()
    """Program and arguments, which must end with exit status 0."""
    hook: str | None = None
    """Function of the application, as `module:function`, which must not say or raise that something is wrong."""
    interval: float
    """Seconds."""
    timeout: float = 1.0
    """Timeout of one check in seconds."""
    failure_threshold: int = 3
    """Consecutive failures after which the probe has failed."""
    success_threshold: int = 1
    """Consecutive successes after which it has passed again."""
    initial_delay: float = 0.0
    """Seconds before the first check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbesConfig:
    """The probes of a service's workers."""

    startup: ProbeConfig | None = None
    """Runs first; if it fails, the worker is killed and its start has failed."""
    liveness: ProbeConfig | None = None
    """If it fails, the worker is killed and replaced."""
    readiness: ProbeConfig | None = None
    """While it fails, no requests are sent to the worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthConfig:
    """Limits beyond which a worker that still answers is replaced. Original: `health`."""

    interval: float = 30.0
    """Seconds between two checks of a worker."""
    grace_period: float = 30.0
    """Seconds for which a worker must have been ready before it is checked."""
    max_unhealthy_checks: int = 10
    """Consecutive failed checks after which it is replaced."""
    max_loop_delay: float | None = None
    """Longest delay of its event loop in seconds. Original: `health.maxEventLoopDelay` (milliseconds)."""
    max_cpu: float | None = None
    """Largest share of one core that it may use. Original: `health.maxELU`."""


class Signal(enum.StrEnum):
    """Signals for scaling, each a mean over the service's workers. Ours: `workers.scaleOn`."""

    CPU = "cpu"
    """Share of one core. Original: the event loop utilization (ELU)."""
    LOOP_DELAY = "loopDelay"
    """Delay of the event loop in milliseconds."""
    WAITING = "waiting"
    """Requests taken and not answered yet."""
    KAFKA_LAG = "kafkaLag"
    """Records of the worker's partitions that are not done yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Bounds of a scaling signal."""

    up: float
    """Above it a worker is added."""
    down: float
    """Below it a worker is removed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScalingConfig:
    """Automatic scaling of a service's workers. Original: `workers` with `dynamic: true`."""

    minimum: int = 1
    maximum: int | None = None
    """None: as many as `RuntimeConfig.total_workers` leaves."""
    cooldown: float = 20.0
    """Seconds between two changes."""
    grace_period: float = 30.0
    """Seconds for which a worker must have been ready before its signals count."""
    signals: Mapping[Signal, Threshold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildCommand:
    """The build command of a service, run by `pywatt build` in the service's folder."""

    words: tuple[str, ...]
    """The program and its arguments."""
    expands: bool = False
    """True if `$NAME` in the words stands for a variable of the service's environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchConfig:
    """Files of a service's folder whose changes restart it under `pywatt dev`. Original: `watch`."""

    enabled: bool = True
    allow: tuple[str, ...] = ()
    """Patterns as in .gitignore; none: the usual source and template files."""
    ignore: tuple[str, ...] = ()
    """Patterns of files to ignore, in addition to .gitignore."""


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
    restart: RestartConfig
    watchdog: float | None = None
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
    """Level of text on its standard error that names none. Ours: `logger.stderrLevel`."""
    logger: LoggerConfig = PLAIN_LOGGER
    """The level, form and destinations of its log records."""
    preload: tuple[str, ...] = ()
    """Modules which the forkserver imports before it forks a worker of this service."""
    interpreter: Path | None = None
    """The Python that its workers run in, of another virtual environment; None: pywatt's own, forked."""
    before_start: tuple[tuple[str, ...], ...] = ()
    """Commands that run before its workers start, once for all of them."""
    build: BuildCommand | None = None
    watch: WatchConfig = WatchConfig()
    telemetry: TelemetryConfig | None = None
    """None: a service of pywatt's own, which is not traced."""
    debugged: bool = False
    """True if its workers listen for an editor's debugger: `pywatt dev --debug`."""
    metrics: bool = False
    """True if its workers count: see `pywatt.metrics`."""
    metrics_page: str | None = None
    """Path on each worker's endpoint, or URL, of metrics that the service itself serves to Prometheus."""
    http: bool = True
    """False if its workers never answer HTTP, which its type knows beforehand."""
    internal: bool = False
    """Started by pywatt itself (the embedded broker), not listed by the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResponse:
    """The response of a health endpoint, where the default is not wanted. Original: `success`, `fail`."""

    status: int | None = None
    """None: 200 or 503."""
    body: str | None = None
    """None: JSON with the state of each service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePolicy:
    """The services that decide about a health endpoint. Ours: `policy`."""

    services: tuple[str, ...] | None = None
    """None: all services of the app."""
    any: bool = False
    """True if one good service is enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeEndpointConfig:
    """A health endpoint. Original: `healthProbes.readiness`, `healthProbes.liveness`."""

    endpoint: str = "/ready"
    success: ProbeResponse = ProbeResponse()
    fail: ProbeResponse = ProbeResponse()
    policy: ProbePolicy = ProbePolicy()
    accept_degraded: bool = True
    """True if a service that is degraded counts as good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProbesConfig:
    """The server of the health endpoints. Original: `healthProbes`."""

    hostname: str = "0.0.0.0"
    port: int = 9090
    readiness: ProbeEndpointConfig | None = ProbeEndpointConfig()
    liveness: ProbeEndpointConfig | None = None
    shutdown_delay: float = 0.0
    """Seconds from the begin of a stop, when readiness fails, until services are stopped. Ours: `shutdownDelay`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoloadConfig:
    """The folder whose folders are services. Original: `autoload`."""

    path: Path
    exclude: frozenset[str] = frozenset()
    """Names of folders that are not services."""


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
    logger: LoggerConfig = PLAIN_LOGGER
    """The level, form and destinations of pywatt's own log records."""
    log_history: Rotation | None = DEFAULT_ROTATION
    """The log that is kept on disk; None: none. Ours: `logger.history`."""
    health_probes: HealthProbesConfig | None = None
    """None: there are no health endpoints."""
    base_path: str = "/"
    """Prefix that the entrypoint takes off incoming paths; `/` for none."""
    start_timeout: float | None = 30.0
    """Seconds within which each service must get ready; None: no limit."""
    shutdown: ShutdownConfig = ShutdownConfig()
    total_workers: int | None = None
    """Limit of the workers of all services that scale automatically; None: the number of cores."""
    total_memory: int | None = None
    """Bytes that their workers may use together; None: 90 % of the machine's or the container's memory."""
    metrics: MetricsConfig | None = None
    """None: nothing is counted."""
    dashboard: DashboardConfig = UNSET_DASHBOARD
    repl: bool = False
    """True: `pywatt repl` works in production too. Ours: `repl`."""
    autoload: AutoloadConfig | None = None
    env_files: tuple[Path, ...] = ()
    """Env files that were read, except a `.env` in a service's folder."""
    env_file: Path | None = None
    """The app's own env file."""
    overridden: Mapping[str, str] = field(default_factory=dict)
    """Values that are not those of the files, such as `server.port`, by the option or variable that gives them."""
    warnings: tuple[str, ...] = ()
    """Warnings for the user, such as of keys that are not supported yet."""

    def service(self, service_id: str) -> ServiceConfig:
        """Return the service with that id. Raises KeyError."""
        for service in self.services:
            if service.id == service_id:
                return service
        raise KeyError(service_id)
