"""Derives the app's health status, and the documents that explain it (pure)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Any

from pywatt.control.service import CONTROL_ID
from pywatt.mesh.table import MeshService, MeshTable, ServiceState
from pywatt_services.health.lag import GroupLag


class Status(enum.StrEnum):
    """The status of an app, a service or a consumer group."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Serves, but a dependency is unavailable or being replaced."""
    UNHEALTHY = "unhealthy"
    """A service has failed for good, or a consumer group lags too far: an operator should look."""


_OF_STATE = {
    ServiceState.READY: Status.HEALTHY,
    ServiceState.FINISHED: Status.HEALTHY,
    ServiceState.CRASH_LOOP: Status.UNHEALTHY,
    ServiceState.FAILED: Status.UNHEALTHY,
}
_SERVING = frozenset({ServiceState.READY, ServiceState.DEGRADED, ServiceState.FINISHED})
_GRAVITY = list(Status)


def worst(statuses: Iterable[Status]) -> Status:
    """Return the worst status, or healthy if there is none."""
    return max(statuses, key=_GRAVITY.index, default=Status.HEALTHY)


def status_of_group(known: GroupLag) -> Status:
    """Return unhealthy if a partition lags too far, degraded while the lag is unknown."""
    for topic, partitions in known.lag.items():
        if any(lag > known.watch.topics.get(topic, known.watch.threshold) for lag in partitions.values()):
            return Status.UNHEALTHY
    return Status.DEGRADED if known.failure else Status.HEALTHY


def health(table: MeshTable, groups: Sequence[GroupLag]) -> tuple[Status, dict[str, Any]]:
    """Return the status and the document of `GET /health`."""
    services = _services(table)
    statuses = [_OF_STATE.get(service.state, Status.DEGRADED) for service in services]
    overall = worst([*statuses, *map(status_of_group, groups)])
    document: dict[str, Any] = {
        "status": overall.value,
        "services": {service.id: _of_service(service) for service in services},
    }
    if groups:
        document["lag"] = _highest_lag(groups)
        document["groups"] = {known.group: _of_group(known) for known in groups}
    return overall, document


def readiness(table: MeshTable) -> tuple[bool, dict[str, Any]]:
    """Return whether every service can take work, and the document of `GET /health/ready`."""
    waiting = {service.id: service.state.value for service in _services(table) if not _serves(service)}
    return not waiting, {"status": "not ready", "waiting": waiting} if waiting else {"status": "ready"}


def _services(table: MeshTable) -> list[MeshService]:
    """Return the app's services. The control API is none of them, and an app does its work without it."""
    return [service for service in table.services.values() if service.id != CONTROL_ID]


def _serves(service: MeshService) -> bool:
    # One worker that is being replaced does not take a service away as long as another one answers.
    return service.state in _SERVING or service.ready > 0


def _of_service(service: MeshService) -> dict[str, Any]:
    described = {"status": service.state.value, "workers": service.workers, "ready": service.ready}
    return {**described, "detail": service.detail} if service.detail else described


def _of_group(known: GroupLag) -> dict[str, Any]:
    described: dict[str, Any] = {"status": status_of_group(known).value, "lag": _highest_lag([known])}
    if known.checked_at is not None:
        described["checkedAt"] = known.checked_at
    return {**described, "reason": known.failure} if known.failure else described


def _highest_lag(groups: Iterable[GroupLag]) -> dict[str, dict[str, int]]:
    """Return the lag by topic and partition; where several groups read the same one, the highest."""
    highest: dict[str, dict[str, int]] = {}
    for known in groups:
        for topic, partitions in known.lag.items():
            of_topic = highest.setdefault(topic, {})
            for partition, lag in sorted(partitions.items()):
                name = f"partition-{partition}"
                of_topic[name] = max(lag, of_topic.get(name, lag))
    return highest
