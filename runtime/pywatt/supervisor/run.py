"""Runs an app from its first socket to its last process."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

import anyio

from pywatt.config.model import RuntimeConfig
from pywatt.supervisor.forkserver import Forkserver
from pywatt.supervisor.keeper import first_of
from pywatt.supervisor.output import Log
from pywatt.supervisor.reaper import open_reaper
from pywatt.supervisor.sockets import runtime_folder
from pywatt.supervisor.supervisor import Supervisor
from pywatt.supervisor.worker import Workshop
from pywatt.worker.kernel import adopt_orphans


async def run_app(
    config: RuntimeConfig,
    forkserver: Forkserver,
    log: Log,
    *,
    production: bool,
    stop: anyio.Event,
    force: anyio.Event,
    on_started: Callable[[Supervisor], None],
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> None:
    """Run the app until `stop` is set, then stop it gracefully; setting `force` as well kills what is left.

    Raises StartError when an address cannot be bound or a service does not get ready.
    """
    adopt_orphans()
    with runtime_folder() as folder:
        async with open_reaper() as reaper:
            workshop = Workshop(
                app_name=config.name,
                production=production,
                start_timeout=config.start_timeout,
                forkserver=forkserver,
                reaper=reaper,
                folder=folder,
                log=log,
            )
            supervisor = Supervisor(
                config,
                workshop,
                clock=clock,
                rng=rng or random.Random(),  # noqa: S311 - spreads restarts, no secret
            )
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_kill_when_forced, supervisor, force)
                await first_of(stop.wait, partial(supervisor.start, tasks))
                if supervisor.failure is None and not stop.is_set():
                    on_started(supervisor)
                    await stop.wait()
                await supervisor.stop()
                tasks.cancel_scope.cancel()
            supervisor.close()
    if supervisor.failure is not None:
        raise supervisor.failure


async def _kill_when_forced(supervisor: Supervisor, force: anyio.Event) -> None:
    await force.wait()
    supervisor.kill()
