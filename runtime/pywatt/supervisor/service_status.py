"""What others see of a service, by what its keepers say."""

from __future__ import annotations

from collections.abc import Collection

from pywatt.config.model import ServiceConfig
from pywatt.mesh.table import FAILING, MeshService, ServiceState
from pywatt.supervisor.slot import Keeper


def mesh_service(
    config: ServiceConfig,
    keepers: Collection[Keeper],
    *,
    port: int | None,
    state: ServiceState | None,
    started: bool,
    successors: Collection[Keeper] = (),
    hindered: str = "",
) -> MeshService:
    """Return a service's entry in the mesh table.

    `port`: None when it answers no HTTP. `state`: known already, else what follows from the keepers. `started`: every
    worker has been ready, or could not get ready. `successors`: keepers that will take over when they serve.
    `hindered`: why the last attempt to start workers failed, if it did.
    """
    serving = [keeper.worker for keeper in keepers if keeper.worker is not None and keeper.serving]
    reasons = [keeper.why or keeper.unready for keeper in keepers if keeper.why or keeper.unready]
    degraded = [worker.degraded for worker in serving if worker.degraded]
    if state is None and hindered and all(keeper.down for keeper in keepers):
        state, reasons = ServiceState.FAILED, [hindered]
    elif state is None:
        state = _state(keepers, serving=bool(serving), degraded=bool(degraded), started=started)
    return MeshService(
        id=config.id,
        state=state,
        port=port,
        endpoints=() if port is None else tuple(worker.endpoint for worker in serving),
        workers=max(len(keepers), 1),
        ready=len(serving),
        detail=(degraded or reasons or [""])[0],
        internal=config.internal,
        starting=state in FAILING and any(keeper.starting for keeper in (*keepers, *successors)),
    )


def _state(keepers: Collection[Keeper], *, serving: bool, degraded: bool, started: bool) -> ServiceState:
    if degraded:
        return ServiceState.DEGRADED
    if any(keeper.crash_loop and not keeper.serving for keeper in keepers):
        return ServiceState.CRASH_LOOP
    if serving:
        return ServiceState.READY
    if started and any(keeper.unready for keeper in keepers):
        return ServiceState.NOT_READY
    if keepers and all(keeper.down for keeper in keepers):
        failed = any(keeper.down and keeper.down.failed for keeper in keepers)
        return ServiceState.FAILED if failed else ServiceState.FINISHED
    return ServiceState.RESTARTING if started else ServiceState.STARTING
