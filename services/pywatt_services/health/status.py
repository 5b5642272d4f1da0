"""Derives the app's health status, and the documents that explain it (pure)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pywatt.mesh.table import MeshService, MeshTable, ServiceState
from pywatt_kafka.lag.verdict import Finding, Verdict, gravest
from pywatt_kafka.records import TopicPartition
from pywatt_services.health.lag import WatchedGroup

BROKER_ID = "kafka-broker"


class Status(enum.StrEnum):
    """The status of an app, a service or a consumer group."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """Serves, but a dependency is unavailable or being replaced, or a consumer group does not move."""
    UNKNOWN = "unknown"
    """The cluster does not know a consumer group: its name is wrong, or its consumers have never run."""
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


def status_of_finding(finding: Finding, *, unhealthy_if_stalled: bool) -> Status:
    """Return the status of one partition."""
    match finding.verdict:
        case Verdict.OK:
            return Status.HEALTHY
        case Verdict.CATCHING_UP:
            return Status.DEGRADED
        case Verdict.STALLED:
            return Status.UNHEALTHY if finding.above or unhealthy_if_stalled else Status.DEGRADED
        case _:
            return Status.UNHEALTHY


def status_of_group(known: WatchedGroup) -> Status:
    """Return the worst status of its partitions; unknown if the group is, degraded while its lag is not known."""
    if known.known is False:
        return Status.UNKNOWN
    strict = known.watch.unhealthy_if_stalled
    found = worst(status_of_finding(finding, unhealthy_if_stalled=strict) for finding in known.findings.values())
    return worst([found, Status.DEGRADED]) if known.failure else found


def is_alarm(status: Status, groups: Sequence[WatchedGroup]) -> bool:
    """Return whether the answer is 503: the status is unhealthy, or a group has been unknown for a while."""
    return status is Status.UNHEALTHY or any(known.missing for known in groups)


def health(table: MeshTable, groups: Sequence[WatchedGroup]) -> tuple[Status, dict[str, Any]]:
    """Return the status and the document of `GET /health`."""
    services = _services(table)
    overall = _overall(services, groups)
    document: dict[str, Any] = {
        "status": overall.value,
        "services": {service.id: _of_service(service) for service in services},
    }
    if groups:
        document["lag"] = _highest_lag(groups)
        document["groups"] = {known.group: _of_group(known) for known in groups}
    return overall, document


def lag_health(table: MeshTable, groups: Sequence[WatchedGroup]) -> tuple[Status, dict[str, Any]]:
    """Return the status, and the document with status and lag alone; `reasons` where it is not healthy."""
    services = _services(table)
    overall = _overall(services, groups)
    document: dict[str, Any] = {"status": overall.value, "lag": _highest_lag(groups)}
    if overall is not Status.HEALTHY:
        document["reasons"] = [*_reasons_of_services(services), *(why for known in groups for why in reasons(known))]
    return overall, document


def readiness(table: MeshTable, groups: Sequence[WatchedGroup] = ()) -> tuple[bool, dict[str, Any]]:
    """Return whether every service can take work, and the document of `GET /health/ready`.

    Groups count whose watch asks for it.
    """
    waiting = {service.id: service.state.value for service in _services(table) if not _serves(service)}
    for known in groups:
        if known.watch.readiness and is_alarm(status_of_group(known), [known]):
            waiting[f"consumer group {known.group}"] = "; ".join(reasons(known))
    if table.leaving:
        return False, {"status": "not ready", "reason": "the app is stopping", "waiting": waiting}
    return not waiting, {"status": "not ready", "waiting": waiting} if waiting else {"status": "ready"}


def reasons(known: WatchedGroup) -> Iterator[str]:
    """Yield why a group is not healthy."""
    if known.failure:
        yield f"consumer group {known.group}: {known.failure}"
    if known.known is False:
        yield (f"consumer group {known.group}: the cluster knows no such group; check groupId, or start its consumers")
        return
    for place, finding in known.findings.items():
        if finding.verdict is not Verdict.OK:
            yield f"consumer group {known.group}, {_reason(place, finding)}"


def _reason(place: TopicPartition, finding: Finding) -> str:
    age = "" if finding.seconds is None else f", the oldest {finding.seconds:.0f} s old"
    lag = f"{finding.records} records behind{age}"
    where = f"{place.topic}[{place.partition}]"
    match finding.verdict:
        case Verdict.STALLED:
            return f"{where}: stalled, it has not moved for {finding.still:.0f} s, {lag}"
        case Verdict.NO_MEMBER:
            return f"{where}: the group has no member, {lag} (threshold {finding.threshold})"
        case Verdict.LATE:
            return f"{where}: late, {lag}"
        case verdict:
            return f"{where}: {verdict.value}, {lag} (threshold {finding.threshold})"


def _reasons_of_services(services: Iterable[MeshService]) -> Iterator[str]:
    for service in services:
        if _OF_STATE.get(service.state, Status.DEGRADED) is not Status.HEALTHY:
            yield f"service {service.id}: {service.detail or service.state.value}"


def _overall(services: Iterable[MeshService], groups: Iterable[WatchedGroup]) -> Status:
    return worst(
        [*(_OF_STATE.get(service.state, Status.DEGRADED) for service in services), *map(status_of_group, groups)]
    )


def _services(table: MeshTable) -> list[MeshService]:
    """Return the app's services. Those that pywatt adds are none of them, but for the broker that others need."""
    return [service for service in table.services.values() if not service.internal or service.id == BROKER_ID]


def _serves(service: MeshService) -> bool:
    # One worker that is being replaced does not take a service away as long as another one answers.
    return service.state in _SERVING or service.ready > 0


def _of_service(service: MeshService) -> dict[str, Any]:
    described = {"status": service.state.value, "workers": service.workers, "ready": service.ready}
    return {**described, "detail": service.detail} if service.detail else described


def _of_group(known: WatchedGroup) -> dict[str, Any]:
    described: dict[str, Any] = {
        "status": status_of_group(known).value,
        "verdict": gravest(known.findings).value if known.known else None,
        "members": known.members,
        "lag": _highest_lag([known]),
        "seconds": _seconds(known),
    }
    if known.checked_at is not None:
        described["checkedAt"] = known.checked_at
    why = "; ".join(reasons(known))
    return {**described, "reason": why} if why else described


def _seconds(known: WatchedGroup) -> float | None:
    """Return the age of the oldest waiting record; None if it is not known."""
    ages = [finding.seconds for finding in known.findings.values() if finding.seconds is not None]
    return round(max(ages), 3) if ages else None


def _highest_lag(groups: Iterable[WatchedGroup]) -> dict[str, dict[str, int]]:
    """Return the lag by topic and partition; where several groups read the same one, the highest."""
    highest: dict[str, dict[str, int]] = {}
    for known in groups:
        for place, finding in sorted(known.findings.items()):
            of_topic = highest.setdefault(place.topic, {})
            name = f"partition-{place.partition}"
            of_topic[name] = max(finding.records, of_topic.get(name, finding.records))
    return highest
