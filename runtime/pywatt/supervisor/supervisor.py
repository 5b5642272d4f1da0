"""The whole app: every service started in the order of its dependencies, watched, and stopped in reverse."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from pywatt.config.model import LogLevel, RuntimeConfig, ServiceConfig
from pywatt.logs.lines import LogRecord
from pywatt.mesh.table import MeshTable
from pywatt.supervisor.forkserver import Forkserver
from pywatt.supervisor.order import stop_levels
from pywatt.supervisor.output import Log, now_ms
from pywatt.supervisor.reaper import open_reaper
from pywatt.supervisor.service import Service, first_of
from pywatt.supervisor.sockets import LOOPBACK, open_loopback, open_public, public_url, runtime_folder
from pywatt.supervisor.worker import Workshop
from pywatt.worker.kernel import adopt_orphans


class Supervisor:
    """A running app. Made by `run_app`."""

    def __init__(self, config: RuntimeConfig, forkserver: Forkserver, log: Log, public: socket.socket | None) -> None:
        self.config = config
        self.services: dict[str, Service] = {}
        self.url = public_url(public) if public else None
        """Where the app can be reached; None: it has no entrypoint."""
        self.failure: BaseException | None = None
        """Why the app could not be started: a ServiceFailed."""
        self._forkserver = forkserver
        self._log = log
        self._exports: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._version = 0
        self._table = MeshTable(0)
        self._publishing = False

    async def start(self, tasks: TaskGroup) -> None:
        """Start every service; return when all are ready, or when one has failed, which `failure` then tells."""
        for service in self.services.values():
            dependencies = [self.services[service_id].started for service_id in service.config.dependencies]
            tasks.start_soon(service.run, dependencies)
        # Services that nothing holds back ask for their forks first; what the others need is imported after those.
        await anyio.lowlevel.checkpoint()
        for service in self.services.values():
            await self._forkserver.preload(service.config.preload)
        futures = [service.started for service in self.services.values()]
        done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_EXCEPTION)
        self.failure = next((error for future in done if (error := future.exception())), None)

    async def stop(self) -> None:
        """Stop the services, callers before the called, within the limit of the whole app; then kill what is left."""
        with anyio.move_on_after(self.config.shutdown.runtime):
            configs = [service.config for service in self.services.values()]
            for level in stop_levels(configs, self.config.entrypoint):
                async with anyio.create_task_group() as stops:
                    for service_id in level:
                        stops.start_soon(self.services[service_id].stop)
        self.kill()

    def kill(self) -> None:
        """End every worker at once."""
        for service in self.services.values():
            service.kill()

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker of the service."""
        return {**self._urls, **service.env, **self._exports}

    def table(self) -> MeshTable:
        """Return the newest mesh table."""
        return self._table

    def changed(self) -> None:
        """Send a new mesh table to every worker, once for all changes of this turn of the loop."""
        if not self._publishing:
            self._publishing = True
            asyncio.get_running_loop().call_soon(self._publish)

    def exported(self, service: ServiceConfig, variables: Mapping[str, str]) -> None:
        """Take a ready worker's variables; services that run with other values are started anew."""
        stale = any(self._exports.get(name, value) != value for name, value in variables.items())
        self._exports.update(variables)
        if stale:
            self.say(LogLevel.WARN, f'"{service.id}" is back with other settings: services that use it start anew')
            for other in self.services.values():
                if service.id in other.config.dependencies:
                    other.recycle()

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        self._log(LogRecord(level=level, time=now_ms(), name="pywatt", msg=message, pid=os.getpid(), extra=extra))

    def enlist(self, services: Sequence[Service]) -> None:
        """Take the app's services; done once, before any of them starts."""
        self.services = {service.config.id: service for service in services}
        for service in services:
            if not service.config.internal:
                name = re.sub(r"\W", "_", service.config.id).upper()
                self._urls[f"PLT_{name}_URL"] = f"http://{LOOPBACK}:{service.snapshot().port}"
        self._publish()

    def _publish(self) -> None:
        self._publishing = False
        self._version += 1
        self._table = MeshTable(
            self._version, {service_id: service.snapshot() for service_id, service in self.services.items()}
        )
        for service in self.services.values():
            service.publish(self._table)


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
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(runtime_folder())
        public = stack.enter_context(open_public(config.server)) if config.entrypoint else None
        reaper = await stack.enter_async_context(open_reaper())
        workshop = Workshop(
            config=config, forkserver=forkserver, reaper=reaper, folder=folder, log=log, production=production
        )
        supervisor = Supervisor(config, forkserver, log, public)
        supervisor.enlist(
            [
                Service(
                    service,
                    index=index,
                    workshop=workshop,
                    app=supervisor,
                    loopback=stack.enter_context(open_loopback()),
                    public=public if service.id == config.entrypoint else None,
                    clock=clock,
                    rng=rng or random.Random(),  # noqa: S311 - spreads restarts, no secret
                )
                for index, service in enumerate(config.services)
            ]
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_kill_when_forced, supervisor, force)
            await first_of(stop.wait, partial(supervisor.start, tasks))
            if supervisor.failure is None and not stop.is_set():
                on_started(supervisor)
                await stop.wait()
            await supervisor.stop()
            tasks.cancel_scope.cancel()
        if supervisor.failure is not None:
            raise supervisor.failure


async def _kill_when_forced(supervisor: Supervisor, force: anyio.Event) -> None:
    await force.wait()
    supervisor.kill()
