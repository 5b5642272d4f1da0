"""The interface of service types, and their lookup by name.

A type is an import-light value, registered under its name in the entry-point group `pywatt.service_types`. A third
party's type has the same standing as the built-in ones. Frameworks and clients are imported in `serve`, in the child.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from pywatt.errors import Problem

if TYPE_CHECKING:
    from pywatt.config.model import BuildCommand, ServerConfig, ServiceConfig
    from pywatt.mesh.client import MeshClient
    from pywatt.mesh.table import MeshTable
    from pywatt.metrics.recorder import Recorder

ENTRY_POINT_GROUP = "pywatt.service_types"


class OptionsError(ValueError):
    """A service type found problems in a service's options that its schema could not express."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems
        """`key` is the dotted path inside the service's own document; file and line are filled in by the loader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The facts about a service that its type gets while the config is loaded."""

    id: str
    path: Path
    services: tuple[str, ...]
    """Ids of all services of the app, in the order of the root file."""
    left_out: frozenset[str] = frozenset()
    """Ids of further services of the files that are not run: disabled, or of a profile that is not chosen."""
    production: bool = True
    routes: Mapping[str, str] = field(default_factory=dict)
    """By path: the service, which pywatt itself adds, that a gateway passes the path on to; only the entrypoint has it.
    """
    plugin_path: str | None = None
    """Path at the entrypoint that leads to this service, which pywatt adds for a plugin; None for the user's own."""
    shadowed: str | None = None
    """Id of the service that would get requests for that path otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """An optional dependency that a service needs."""

    module: str
    """Name that is imported."""
    package: str
    extra: str
    """Extra of pywatt that installs it."""
    needed_by: str
    """The key and value that need it, such as `engine "rdkafka"`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The result of a service type's `configure`."""

    options: object
    """A frozen, picklable dataclass; handed to `serve` in the child."""
    calls: tuple[str, ...] = ()
    """Ids of services that this one calls. They are stopped after it; its start does not wait for them (calls do)."""
    public_paths: Mapping[str, str] = field(default_factory=dict)
    """Path below which this service passes requests on, such as `/api` or `/`, by id of the service that gets them."""
    preload: tuple[str, ...] = ()
    """Modules worth importing once for all services, beyond those of the type (e.g. the user's web framework)."""
    needs_broker: bool = False
    """True if the options ask for the embedded broker, as the variable KAFKA_BROKERS=embedded does."""
    interpreter: Path | None = None
    """The Python that its workers run in; None: pywatt's own."""
    build: BuildCommand | None = None
    http: bool = True
    """False: its workers answer no HTTP, whatever happens. True: they do, or that is seen when they run."""
    metrics_page: str | None = None
    """Path of metrics in the text format of Prometheus that each of its workers serves."""
    requires: tuple[Requirement, ...] = ()
    """Packages that pywatt's own environment must have for it; a missing one is a problem of the config."""
    warnings: tuple[str, ...] = ()
    """Messages for the user, shown once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequest:
    """The supervisor asks a worker to end."""

    timeout: float
    """Seconds left before the worker is killed."""
    linger: bool = False
    """Another worker serves already. Accept nothing new, but keep idle connections for their clients' next request and
    answer that with `Connection: close`: closing an idle connection from this side races with a request on its way."""


class ServiceContext(Protocol):
    """The parts of pywatt that a worker of any type gets."""

    @property
    def service(self) -> ServiceConfig:
        """This service's configuration."""
        ...

    @property
    def prompt_names(self) -> dict[str, object]:
        """Variables of the prompts of `pywatt repl`, such as `app`."""
        ...

    @property
    def slot(self) -> int:
        """Number of this worker within its service: 0 .. workers-1, kept across restarts."""
        ...

    @property
    def app_name(self) -> str:
        """Name of the app (the root folder's name)."""
        ...

    @property
    def production(self) -> bool:
        """False under `pywatt dev`."""
        ...

    @property
    def base_path(self) -> str:
        """Prefix to take off incoming paths when this service is the entrypoint; `/` for none."""
        ...

    @property
    def env(self) -> Mapping[str, str]:
        """This process's environment, with the variables that other services exported (e.g. KAFKA_BROKERS)."""
        ...

    @property
    def endpoint(self) -> socket.socket:
        """This worker's own unix socket, listening."""
        ...

    @property
    def loopback(self) -> socket.socket:
        """The service's loopback TCP socket, listening, shared by its workers."""
        ...

    @property
    def public(self) -> socket.socket | None:
        """The app's public socket, listening; only the entrypoint's workers have it."""
        ...

    @property
    def server(self) -> ServerConfig:
        """The `server` block."""
        ...

    @property
    def mesh(self) -> MeshClient:
        """The HTTP client for calls to other services and to the outside; opened and closed by pywatt."""
        ...

    @property
    def table(self) -> MeshTable:
        """The newest mesh table."""
        ...

    @property
    def metrics(self) -> Recorder | None:
        """The source of counters for what this worker does; None: metrics are off, and nothing is counted."""
        ...

    async def ready(
        self, *, http: bool = True, address: str | None = None, exports: Mapping[str, str] | None = None
    ) -> None:
        """Report that this worker can take work. Called once.

        `http`: True if it answers HTTP on its sockets. `address`: an endpoint other than its unix socket, in the form
        of `Endpoint.address`. `exports`: variables for the environment of every service started later.
        """
        ...

    def degraded(self, reason: str | None) -> None:
        """Report that something this service needs is away (shown by health), or with None that it is back."""
        ...

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        """Report a number with every sign of life, for scaling: `waiting` (requests), `kafkaLag` (records)."""
        ...

    async def stop_requested(self) -> StopRequest:
        """Wait until the supervisor asks this worker to end; then finish what is in flight and return from `serve`."""
        ...

    async def hurry_requested(self) -> StopRequest:
        """Wait until a worker that was asked to linger is asked to end without lingering, since the app stops."""
        ...


class ServiceType(Protocol):
    """A kind of service. Implementations are stateless values."""

    @property
    def name(self) -> str:
        """The name in config files."""
        ...

    @property
    def aliases(self) -> tuple[str, ...]:
        """Further names, such as the original's module names (`@platformatic/gateway`, `composer`)."""
        ...

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema (2020-12) of the service's own document."""
        ...

    @property
    def preload(self) -> tuple[str, ...]:
        """Modules imported once in the forkserver, so that every worker starts with them."""
        ...

    def detect(self, folder: Path) -> bool:
        """Return whether a folder without a config file that names a type is a service of this type."""
        ...

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Turn a document that passed `schema` into frozen options. Raises OptionsError."""
        ...

    async def serve(self, options: Any, context: ServiceContext) -> None:
        """Run one worker: serve, call `context.ready()`, return after `context.stop_requested()` and a drain.

        Returning without having been asked to stop, or raising, counts as a failure of the worker.
        """
        ...


@runtime_checkable
class Prepares(Protocol):
    """A service type with work to do before the event loop of a worker runs, such as an import of the user's code."""

    def prepare(self, options: Any) -> Any:
        """Return what `serve` gets in place of the options. Called once, in the worker's main thread."""
        ...


@runtime_checkable
class IsPlugin(Protocol):
    """A service type that the block `plugins` may name by one of its aliases."""

    def plugin_path(self, plugins: Sequence[Mapping[str, Any]]) -> str:
        """Return the path at the entrypoint that leads to the service of these items of `plugins`."""
        ...


@runtime_checkable
class Preflight(Protocol):
    """A service type that checks, without running or importing anything, that the names in its options exist."""

    def preflight(self, service: ServiceConfig) -> Iterable[Problem]:
        """Yield a problem for each program or module that does not exist, with its key as in OptionsError."""
        ...


def uses_mesh(service_type: ServiceType) -> bool:
    """Return whether workers of a type are told of every change of the mesh table from their start.

    A type for which `table` and `mesh` of the context are of no use says so with an attribute `uses_mesh = False`: in
    an app of many services, each change is news to its workers otherwise.
    """
    return bool(getattr(service_type, "uses_mesh", True))


def imports_code(service_type: ServiceType) -> bool:
    """Return whether workers of a type import code from the service's folder, so that it is their first import path.

    A type that does not says so with an attribute `imports_code = False`: a file there that has the name of some module
    is then none of its modules.
    """
    return bool(getattr(service_type, "imports_code", True))


@cache
def registered() -> Mapping[str, EntryPoint]:
    """Return the entry points of every installed service type, by name."""
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINT_GROUP)}


def load_type(name: str) -> ServiceType:
    """Return the service type with that name. Raises KeyError."""
    service_type: ServiceType = registered()[name].load()
    return service_type
