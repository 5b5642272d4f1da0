"""The process that has sent an export, by the attributes of its resource (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pywatt.metrics.received import Sender
from pywatt.telemetry.instance import INSTANCE, instance_of

NAME = "service.name"
LONGEST = 256
MOST_TOLD = 4096


def sender_of(resource: Mapping[str, Any]) -> Sender:
    """Return the sender.

    A worker tells its service, slot and pid by the id of its instance, which pywatt gives it.
    """
    instance = str(resource.get(INSTANCE, ""))
    told = "\n".join(f"{key}={value}" for key, value in sorted(resource.items()))[:MOST_TOLD]
    worker = instance_of(instance)
    if worker is not None and worker.service:
        return Sender(worker.service[:LONGEST], str(worker.slot), worker.pid, told)
    return Sender(str(resource.get(NAME, ""))[:LONGEST], "", 0, told)
