"""The mesh table: the services of the app, their states, and the endpoints of their ready workers."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MESH_SUFFIX = ".plt.local"


class ServiceState(enum.StrEnum):
    """The public state of a service."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    """Ready, but its worker reports that something it needs is away (e.g. Kafka)."""
    NOT_READY = "not-ready"
    """Workers run, but their readiness probe fails."""
    RESTARTING = "restarting"
    CRASH_LOOP = "crash-loop"
    """Workers fail again and again; the next start is some time away."""
    FAILED = "failed"
    FINISHED = "finished"
    """The work is done, as the restart policy allows."""
    STOPPED = "stopped"


FAILING = frozenset({ServiceState.FAILED, ServiceState.FINISHED, ServiceState.STOPPED, ServiceState.CRASH_LOOP})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address at which one incarnation of one worker takes HTTP/1.1: `unix:/path` or `tcp:127.0.0.1:port`."""

    id: str
    """`<service>/<slot>/<incarnation>`, unique within the life of the runtime."""
    address: str


@dataclass(frozen=True, slots=True)
class MeshService:
    """One service: its stable loopback port, its ready endpoints, its state."""

    id: str
    state: ServiceState
    port: int | None
    """Loopback TCP port that lives as long as the runtime; None: the service has no HTTP."""
    endpoints: tuple[Endpoint, ...] = ()
    workers: int = 1
    ready: int = 0
    """The number of its ready workers, with or without HTTP."""
    detail: str = ""
    """The reason for which it is degraded or failed, in one sentence."""
    internal: bool = False
    starting: bool = False
    """True when a worker is being started, or will be within a second, while `state` is one of FAILING."""

    @property
    def failing(self) -> bool:
        """True when no worker serves, and none is expected to do so soon."""
        return not self.endpoints and self.state in FAILING


@dataclass(frozen=True, slots=True)
class MeshTable:
    """One version of the whole table; a later version replaces it."""

    version: int
    services: Mapping[str, MeshService] = field(default_factory=dict)
    leaving: bool = False
    """True once the app has been asked to stop, while its services may still serve."""

    def after(self, delta: TableDelta) -> MeshTable:
        """Return the table that a delta leads to. Raises ValueError for a delta that supposes a newer table."""
        if delta.since > self.version:
            raise ValueError(f"a delta since version {delta.since} does not fit a table of version {self.version}")
        if delta.version <= self.version:
            return self
        services = {name: service for name, service in self.services.items() if name not in delta.removed}
        services.update((service.id, service) for service in delta.services)
        return MeshTable(delta.version, services, delta.leaving)


@dataclass(frozen=True, slots=True)
class TableDelta:
    """The difference between any table of the versions `since` to `version` and the table of `version`."""

    version: int
    since: int
    services: tuple[MeshService, ...] = ()
    """Services that are new or different, as they are now."""
    removed: frozenset[str] = frozenset()
    leaving: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the form that is sent over a worker's channel."""
        return {
            "version": self.version,
            "since": self.since,
            "services": [
                {
                    "id": service.id,
                    "state": service.state.value,
                    "port": service.port,
                    "endpoints": [[endpoint.id, endpoint.address] for endpoint in service.endpoints],
                    "workers": service.workers,
                    "ready": service.ready,
                    "detail": service.detail,
                    "internal": service.internal,
                    "starting": service.starting,
                }
                for service in self.services
            ],
            "removed": sorted(self.removed),
            "leaving": self.leaving,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> TableDelta:
        """Read the result of `to_json`."""
        services = (
            MeshService(
                id=row["id"],
                state=ServiceState(row["state"]),
                port=row["port"],
                endpoints=tuple(Endpoint(*pair) for pair in row["endpoints"]),
                workers=row["workers"],
                ready=row["ready"],
                detail=row["detail"],
                internal=row["internal"],
                starting=row["starting"],
            )
            for row in document["services"]
        )
        return cls(
            document["version"], document["since"], tuple(services), frozenset(document["removed"]), document["leaving"]
        )


def not_running(service: MeshService) -> str:
    """Return the reason for which calls of a failing service fail."""
    return f"the service {service.id!r} does not run: {service.detail or f'it is {service.state}'}"
