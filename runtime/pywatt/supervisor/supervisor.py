"""The whole app: services started in the order of their dependencies, changed in place, stopped in reverse."""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
from collections.abc import Callable, Mapping, Sequence

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from pywatt.config.model import LogLevel, RuntimeConfig, ServerConfig, ServiceConfig
from pywatt.logs.lines import LogRecord
from pywatt.mesh.table import MeshTable
from pywatt.supervisor.difference import Difference, difference
from pywatt.supervisor.order import stop_levels
from pywatt.supervisor.output import now_ms
from pywatt.supervisor.rounds import Rounds
from pywatt.supervisor.service import Service
from pywatt.supervisor.sockets import LOOPBACK, open_loopback, open_public, public_url
from pywatt.supervisor.worker import Worker, Workshop

ACKNOWLEDGE_SECONDS = 60.0
"""How long to wait for a worker's reports; longer than the mesh clients take until they report (`Limits.drain`)."""


class Supervisor:
    """A running app. `run_app` makes and runs it."""

    def __init__(
        self,
        config: RuntimeConfig,
        workshop: Workshop,
        *,
        read_config: Callable[[], RuntimeConfig],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """Bind the app's sockets. Raises StartError."""
        self.config = config
        self.services: dict[str, Service] = {}
        self.failure: BaseException | None = None
        """Why the app could not be started: a ServiceFailed."""
        self._read_config = read_config
        self._workshop = workshop
        self._tasks: TaskGroup | None = None
        self._clock = clock
        self._rng = rng
        self._public = open_public(config.server) if config.entrypoint else None
        self._loopbacks: dict[str, socket.socket] = {}
        self._exports: dict[str, str] = {}
        self._version = 0
        self._table = MeshTable(0)
        self._publishing = False
        self.updated = anyio.Event()
        """Set, and replaced by another one, whenever there is a newer table."""
        self.settled = anyio.Event()
        """Set once every service has started."""
        self._acknowledged = anyio.Event()
        self._reloading = asyncio.Lock()
        self._made = 0
        self._listeners: dict[str, socket.socket] = {}
        self.on_reload: list[Callable[[], None]] = []
        """Called when another configuration applies."""
        for service in config.services:
            self._add(service)
        self._publish()

    @property
    def url(self) -> str | None:
        """Where the app can be reached; None: it has no entrypoint."""
        return public_url(self._public) if self._public else None

    # The life of the app.

    async def start(self, tasks: TaskGroup) -> None:
        """Start every service; return when all are ready, or when one has failed, which `failure` then tells.

        Services run as `tasks` until `stop`.
        """
        self._tasks = tasks
        tasks.start_soon(Rounds(self, self._clock).run)
        services = list(self.services.values())
        for service in services:
            self._run(service)
        # Services that nothing holds back ask for their forks first; what the others need is imported after those.
        await anyio.lowlevel.checkpoint()
        for service in services:
            await self._workshop.forkserver.preload(service.config.preload)
        self.failure = await _first_failure(services)
        if self.failure is None:
            self.settled.set()

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

    def close(self) -> None:
        """Close the app's sockets."""
        for sock in (*self._loopbacks.values(), *((self._public,) if self._public else ())):
            sock.close()

    async def read_again(self) -> Difference:
        """Read the configuration again and apply it. Raises ConfigError, StartError; the app then goes on as it was."""
        return await self.reload(await self.read())

    async def read(self) -> RuntimeConfig:
        """Read the configuration again, without applying it. Raises ConfigError."""
        return await anyio.to_thread.run_sync(self._read_config)

    async def reload(self, config: RuntimeConfig) -> Difference:
        """Turn the running app into what the new configuration says, without a gap.

        Raises StartError when an address cannot be bound or a service does not get ready; what was changed until
        then is changed back, and the app goes on as it was.
        """
        async with self._reloading:
            change = difference(self.config, config)
            old, old_public = self.config, self._public
            undo: list[ServiceConfig] = []
            if change.rebound:
                self._public = open_public(config.server) if config.entrypoint else None
            self.config = config
            try:
                await self._start_added(change.added)
                for service in change.changed:
                    undo.append(old.service(service.id))
                    await self.services[service.id].replace(service)
            except BaseException:
                self.config, new_public = old, self._public
                self._public = old_public
                with anyio.CancelScope(shield=True):
                    await self._undo(undo[:-1], change.added)
                if change.rebound and new_public is not None:
                    new_public.close()
                raise
            for service_id in change.removed:
                await self._remove(service_id)
            if change.rebound and old_public is not None:
                old_public.close()
            for listener in self.on_reload:
                listener()
            return change

    async def add_own(self, config: ServiceConfig, listener: socket.socket) -> bool:
        """Run a service of pywatt's own beside the app's, with a listening socket as its public one.

        Returns whether it got ready: if not, the app goes on without it.
        """
        self._listeners[config.id] = listener
        service = self._add(config)
        self._run(service)
        await asyncio.wait([service.started])
        failure = service.started.exception()
        if failure is not None:
            self.say(LogLevel.WARN, f"{failure}; going on without it")
        return failure is None

    # What services need.

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker of the service."""
        urls = {
            f"PLT_{re.sub(r'[^A-Za-z0-9]', '_', other.config.id).upper()}_URL": f"http://{LOOPBACK}:{other.port}"
            for other in self.services.values()
            if not other.config.internal
        }
        return {**urls, **service.env, **self._exports}

    def entry(self, service: ServiceConfig) -> tuple[socket.socket | None, str, ServerConfig]:
        """Return the public socket if this service is the entrypoint, the base path, and the server block."""
        public = self._public if service.id == self.config.entrypoint else self._listeners.get(service.id)
        return public, self.config.base_path, self.config.server

    def table(self) -> MeshTable:
        """Return the newest mesh table."""
        return self._table

    def changed(self) -> None:
        """Send a new mesh table to every worker, once for all changes of this turn of the loop."""
        if not self._publishing:
            self._publishing = True
            asyncio.get_running_loop().call_soon(self._publish)

    def applied(self) -> None:
        """Note that a worker has applied a newer mesh table."""
        self._acknowledged.set()
        self._acknowledged = anyio.Event()

    def publish(self) -> int:
        """Send the change that was just made to every worker now; return its version."""
        self._publish()
        return self._version

    async def followed(self, version: int) -> None:
        """Wait until every worker calls by this version of the table."""
        await self._reported(lambda worker: worker.applied >= version)

    async def drained(self, version: int) -> None:
        """Wait until no call is in flight any more to what this version of the table dropped."""
        await self._reported(lambda worker: worker.drained >= version)

    async def _reported(self, done: Callable[[Worker], bool]) -> None:
        with anyio.move_on_after(ACKNOWLEDGE_SECONDS):
            while any(worker.calls and not done(worker) for worker in self._workers()):
                await self._acknowledged.wait()

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
        self._workshop.log(
            LogRecord(level=level, time=now_ms(), name="pywatt", msg=message, pid=os.getpid(), extra=extra)
        )

    # Services that come and go.

    def _add(self, config: ServiceConfig) -> Service:
        self._loopbacks[config.id] = open_loopback()
        self._made += 1
        service = self.services[config.id] = Service(
            config,
            index=self._made,
            workshop=self._workshop,
            app=self,
            loopback=self._loopbacks[config.id],
            clock=self._clock,
            rng=self._rng,
        )
        return service

    def _run(self, service: Service) -> None:
        assert self._tasks is not None
        dependencies = [self.services[service_id].started for service_id in service.config.dependencies]
        self._tasks.start_soon(service.run, dependencies)

    async def _start_added(self, added: Sequence[ServiceConfig]) -> None:
        services = [self._add(config) for config in added]
        self._publish()
        for service in services:
            self._run(service)
        failure = await _first_failure(services)
        if failure is not None:
            raise failure

    async def _undo(self, replaced: Sequence[ServiceConfig], added: Sequence[ServiceConfig]) -> None:
        for config in reversed(replaced):
            await self.services[config.id].replace(config)
        for config in reversed(added):
            await self._remove(config.id)

    async def _remove(self, service_id: str) -> None:
        service = self.services.pop(service_id)
        await self.drained(self.publish())
        await service.stop()
        self._loopbacks.pop(service_id).close()

    def _workers(self) -> list[Worker]:
        return [worker for service in self.services.values() for worker in service.workers()]

    def _publish(self) -> None:
        self._publishing = False
        self._version += 1
        self._table = MeshTable(
            self._version, {service_id: service.snapshot() for service_id, service in self.services.items()}
        )
        for worker in self._workers():
            worker.publish(self._table)
        self.updated.set()
        self.updated = anyio.Event()
        self.applied()  # whoever waits for a worker's report may be waiting for one that is gone


async def _first_failure(services: Sequence[Service]) -> BaseException | None:
    """Wait until all services have started or one has failed; return its failure."""
    if not services:
        return None
    done, _ = await asyncio.wait([service.started for service in services], return_when=asyncio.FIRST_EXCEPTION)
    return next((error for future in done if (error := future.exception())), None)
