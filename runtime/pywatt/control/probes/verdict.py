"""Decides whether the app is ready, or alive, from the states of its services (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pywatt.config.model import ProbeEndpointConfig, ProbePolicy
from pywatt.mesh.table import ServiceState

_SERVING = frozenset({ServiceState.READY, ServiceState.DEGRADED, ServiceState.FINISHED})
_LOST = frozenset({ServiceState.FAILED, ServiceState.CRASH_LOOP})


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckAnswer:
    """The status and body that a service's own check gave."""

    status: int | None = None
    body: str | None = None
    decides: bool = False
    """True if the endpoint is to respond with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceHealth:
    """One service of the app, as the supervisor sees it."""

    id: str
    state: ServiceState
    ready: int
    """The number of its workers that take requests."""
    workers: int
    detail: str = ""
    check: CheckAnswer | None = None
    """The last answer of its readiness probe; None: it has none, or has not been asked yet."""

    @property
    def serves(self) -> bool:
        """Return whether it takes requests: one worker that is being replaced does not take it away."""
        return self.state in _SERVING or self.ready > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AppHealth:
    """The supervisor's answer to the command `health`."""

    services: tuple[ServiceHealth, ...]
    leaving: bool
    """True once the app has been asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer to an orchestrator's question."""

    good: bool
    document: Mapping[str, Any]
    """The default body."""
    check: CheckAnswer | None = None
    """The answer of the check that decided, if it was one."""


def app_health(document: Mapping[str, Any]) -> AppHealth:
    """Read the supervisor's answer."""
    services = tuple(
        ServiceHealth(
            id=row["id"],
            state=ServiceState(row["state"]),
            ready=row["ready"],
            workers=row["workers"],
            detail=row["detail"],
            check=CheckAnswer(**row["check"]) if row["check"] else None,
        )
        for row in document["services"]
    )
    return AppHealth(services=services, leaving=document["leaving"])


def readiness(health: AppHealth, config: ProbeEndpointConfig) -> Verdict:
    """Return whether the app can take requests."""

    def good(service: ServiceHealth) -> bool:
        return service.serves and (config.accept_degraded or service.state is not ServiceState.DEGRADED)

    bad = [service for service in _deciding(health.services, config.policy) if not good(service)]
    met = not health.leaving and _met(health.services, config.policy, bad)
    document: dict[str, Any] = {"status": "ready" if met else "not ready"}
    if health.leaving:
        document["reason"] = "the app is stopping"
    elif not met:
        document["reason"] = _why(bad)
    document["services"] = {service.id: _described(service, ready=good(service)) for service in health.services}
    checks = [service.check for service in (health.services if met else bad)]
    check = next((check for check in checks if check is not None and check.decides), None)
    return Verdict(good=met, document=document, check=None if health.leaving else check)


def liveness(health: AppHealth, config: ProbeEndpointConfig) -> Verdict:
    """Return whether the app lives: the supervisor does, since it has answered, and so do the services that count."""
    bad = [service for service in _deciding(health.services, config.policy) if service.state in _LOST]
    if health.leaving or not bad or _met(health.services, config.policy, bad):
        return Verdict(good=True, document={"status": "live"})
    return Verdict(good=False, document={"status": "not live", "reason": _why(bad)})


def _deciding(services: Sequence[ServiceHealth], policy: ProbePolicy) -> list[ServiceHealth]:
    return [service for service in services if policy.services is None or service.id in policy.services]


def _met(services: Sequence[ServiceHealth], policy: ProbePolicy, bad: Sequence[ServiceHealth]) -> bool:
    return not bad or (policy.any and len(bad) < len(_deciding(services, policy)))


def _why(bad: Sequence[ServiceHealth]) -> str:
    return "; ".join(f"{service.id}: {service.detail or service.state.value}" for service in bad)


def _described(service: ServiceHealth, *, ready: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ready": ready,
        "state": service.state.value,
        "workers": service.workers,
        "readyWorkers": service.ready,
    }
    if service.detail:
        row["reason"] = service.detail
    if service.check is not None and (service.check.status is not None or service.check.body is not None):
        row["check"] = {"statusCode": service.check.status, "body": service.check.body}
    return row
