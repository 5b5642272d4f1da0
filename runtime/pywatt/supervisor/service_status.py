"""Derives a service's public state from its slots."""

from __future__ import annotations

from collections.abc import Collection

from pywatt.config.model import ServiceConfig
from pywatt.mesh.table import FAILING, MeshService, ServiceState
from pywatt.supervisor.slot import WorkerSlot


def mesh_service(
    config: ServiceConfig,
    slots: Collection[WorkerSlot],
    *,
    port: int | None,
    state: ServiceState | None,
    started: bool,
    successors: Collection[WorkerSlot] = (),
    hindered: str = "",
) -> MeshService:
    """Return a service's entry in the mesh table.

    `port`: None when it answers no HTTP. `state`: None derives it from the slots. `started`: every
    worker has been ready, or could not get ready. `successors`: slots that will take over when they serve.
    `hindered`: the reason why the last attempt to start workers failed, if it did.
    """
    serving = [slot.worker for slot in slots if slot.worker is not None and slot.serving]
    reasons = [slot.why or slot.unready for slot in slots if slot.why or slot.unready]
    degraded = [worker.degraded for worker in serving if worker.degraded]
    if state is None and hindered and all(slot.given_up for slot in slots):
        state, reasons = ServiceState.FAILED, [hindered]
    elif state is None:
        state = _state(slots, serving=bool(serving), degraded=bool(degraded), started=started)
    return MeshService(
        id=config.id,
        state=state,
        port=port,
        endpoints=() if port is None else tuple(worker.endpoint for worker in serving),
        workers=max(len(slots), 1),
        ready=len(serving),
        detail=(degraded or reasons or [""])[0],
        internal=config.internal,
        starting=state in FAILING and any(slot.starting for slot in (*slots, *successors)),
    )


def _state(slots: Collection[WorkerSlot], *, serving: bool, degraded: bool, started: bool) -> ServiceState:
    if degraded:
        return ServiceState.DEGRADED
    if any(slot.crash_loop and not slot.serving for slot in slots):
        return ServiceState.CRASH_LOOP
    if serving:
        return ServiceState.READY
    if started and any(slot.unready for slot in slots):
        return ServiceState.NOT_READY
    if slots and all(slot.given_up for slot in slots):
        failed = any(slot.given_up and slot.given_up.failed for slot in slots)
        return ServiceState.FAILED if failed else ServiceState.FINISHED
    return ServiceState.RESTARTING if started else ServiceState.STARTING
