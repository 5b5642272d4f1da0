"""The process to record: a worker of a service, or the program that it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pywatt import procfs
from pywatt.errors import ControlError, NotKnown

READY = "ready"


def chosen(row: Mapping[str, Any], slot: int | None) -> Mapping[str, Any]:
    """Return the worker in this slot, or the first that is ready, of a service (pure). Raises ControlError."""
    workers: Sequence[Mapping[str, Any]] = [worker for worker in row["workers"] if worker["pid"] is not None]
    if not workers:
        hint = "`pywatt services` shows the states of all services"
        raise ControlError(f'no worker of the service "{row["id"]}" runs', hint=hint)
    if slot is None:
        return next((worker for worker in workers if worker["state"] == READY), workers[0])
    for worker in workers:
        if worker["slot"] == slot:
            return worker
    slots = ", ".join(str(worker["slot"]) for worker in workers)
    raise NotKnown(f'the service "{row["id"]}" has no worker {slot}', hint=f"its workers: {slots}")


def python_process(pid: int, *, below: bool = False) -> int:
    """Return the first Python among a process and its descendants, as a shell may have started it; else the last.

    `below`: not the process itself, which is pywatt's part of a `command` service.
    """
    found = procfs.tree(pid)[1 if below else 0 :] or [pid]
    return next((each for each in found if procfs.program(each).name.startswith("python")), found[-1])
