"""The name of a worker in its telemetry, the resource attribute `service.instance.id` (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

RESOURCE, INSTANCE = "OTEL_RESOURCE_ATTRIBUTES", "service.instance.id"


class Instance(NamedTuple):
    """A worker of a service."""

    service: str
    slot: int
    pid: int

    def __str__(self) -> str:
        return f"{self.service}:{self.slot}:{self.pid}"


def instance_of(text: str) -> Instance | None:
    """Read the text of an Instance; None for the names that others give."""
    service, slot, pid, *more = (*text.split(":"), "", "")
    if any(more) or not (slot.isascii() and slot.isdecimal() and pid.isascii() and pid.isdecimal()):
        return None
    return Instance(service, int(slot), int(pid)) if max(len(slot), len(pid)) <= len(str(2**31)) else None


def instance_variables(env: Mapping[str, str], instance: Instance) -> dict[str, str]:
    """Return the variable by which an SDK in a worker names it, if pywatt has set it for the service."""
    given = env.get(RESOURCE)
    return {RESOURCE: f"{INSTANCE}={instance}"} if given == f"{INSTANCE}={instance.service}" else {}
