"""One service: its worker slots, its public state, and the replacement of its workers without a gap."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import anyio
from anyio.abc import TaskGroup

from pywatt.config.model import LogLevel, ProbeConfig, ServerConfig, ServiceConfig
from pywatt.errors import ServiceFailed
from pywatt.mesh.table import MeshService, ServiceState
from pywatt.supervisor.monitor.probe_kinds import run_probe
from pywatt.supervisor.monitor.service_deadlocks import DeadlockDetector
from pywatt.supervisor.process.before_start import run_before_start
from pywatt.supervisor.process.entrance import Entrance
from pywatt.supervisor.process.worker import Worker
from pywatt.supervisor.process.worker_factory import WorkerFactory, WorkerSpec
from pywatt.supervisor.publication import Publication
from pywatt.supervisor.retirement import Retirement
from pywatt.supervisor.service_status import mesh_service
from pywatt.supervisor.slot import WorkerSlot, why_refused
from pywatt.wait_any import wait_any


class ServiceHost(Protocol):
    """The part of the app that a service uses."""

    deadlocks: DeadlockDetector

    @property
    def mesh(self) -> Publication:
        """The mesh table and its publication to workers."""
        ...

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker."""
        ...

    def entry(self, service: ServiceConfig) -> tuple[Entrance, str, ServerConfig]:
        """Return the sockets if this service is the entrypoint, the base path, and the server block."""
        ...

    def exported(self, service: ServiceConfig, variables: Mapping[str, str]) -> None:
        """Take the variables that a ready worker exports."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...


class Service:
    """A service of the running app."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        index: int,
        factory: WorkerFactory,
        app: ServiceHost,
        loopback: socket.socket,
        reserved: bool = False,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.config = config
        self.factory = factory
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once every worker has been ready for the first time, or with the ServiceFailed that prevented it."""
        self.started.add_done_callback(lambda started: started.cancelled() or started.exception())
        self.ended = anyio.Event()
        self.slots: dict[int, WorkerSlot] = {}
        self._starting: set[WorkerSlot] = set()
        self._index = index
        self._app = app
        self._loopback = loopback
        self._reserved = reserved  # for something of pywatt's own, whatever the workers answer to others
        self.port: int = loopback.getsockname()[1]  # kept for the life of the runtime
        self._clock = clock
        self._rng = rng
        self._incarnations = 0
        self._stopping = anyio.Event()
        # In development a page that is open in a browser is to find the new code soon.
        self._retiring = Retirement(config.id, app.mesh, self._stopping, linger=factory.production)
        self._held = False
        """True if no worker is started any more."""
        self._changing = asyncio.Lock()
        self._http = True
        self._tasks: TaskGroup | None = None
        self._hindered = ""
        """The reason why the last attempt to start workers failed."""
        self.parked = False
        """True if the user has stopped it; another Service takes its place when it is started again."""
        if not config.http:
            self._refuse()

    # The life of the service.

    async def run(self, dependencies: Sequence[asyncio.Future[None]]) -> None:
        """Start the workers once the dependencies have started, and keep them running until `stop`.

        Ends early when the first start fails.
        """
        try:
            if dependencies:
                await wait_any(self._stopping.wait, partial(asyncio.wait, dependencies))
            if self._held or any(dependency.exception() for dependency in dependencies):
                return
            async with anyio.create_task_group() as self._tasks:
                failure = await self._before_start(self.config)
                if failure is None and not self._held:
                    for number in range(self.config.workers):
                        self.slots[number] = self._keep(self.config, number)
                    failure = await self._first_failure(list(self.slots.values()))
                if self._held:
                    failure = None  # it was not given the time
                if failure is not None and self.factory.production:
                    self.started.set_exception(failure)
                    self._retire_all()
                    return
                if failure is not None:
                    # In development it waits for better code.
                    self._app.say(LogLevel.ERROR, f"{failure.message}; nothing serves until its code is changed")
                    self._hinder(failure)
                if not self._held:
                    self.started.set_result(None)
                await self._stopping.wait()
                self._retire_all()
        finally:
            if self._held and not self.started.done():
                message = f'service "{self.config.id}" was stopped before it was ready'
                self.started.set_exception(ServiceFailed(self.config.id, message))
            self.ended.set()
            self.changed()

    def hold(self) -> None:
        """Start no further worker, since the app is about to stop; serving workers go on until `stop`."""
        self._held = True
        if not self.slots:
            self._stopping.set()
        for slot in self._all():
            slot.hold()
            if not slot.serving:
                slot.retire()

    async def stop(self) -> None:
        """Stop every worker; return when all are gone."""
        self._held = True
        self._stopping.set()
        await self.ended.wait()

    async def park(self) -> None:
        """Stop every worker until the service is started again; its sockets refuse connections meanwhile."""
        self.parked = True
        await self.stop()
        self.slots.clear()

    def kill(self) -> None:
        """End every worker at once."""
        self._held = True
        self._stopping.set()
        for slot in self._all():
            slot.kill()

    async def replace(self, config: ServiceConfig | None = None) -> None:
        """Bring up new workers, one slot after the other, and retire each old one once its successor serves.

        `config`: the new configuration, else the present one. Raises ServiceFailed when a new worker does not get
        ready; the old ones then go on serving.
        """
        async with self._changing:
            if self.parked:
                self.config = config or self.config
                return
            config = config or self.config
            if config.scaling is not None:
                config = dataclasses.replace(config, workers=len(self.slots) or config.workers)
            before = dict(self.slots)
            try:
                failure = await self._before_start(config)
                if failure is not None:
                    raise failure
                for number in range(config.workers):
                    await self._succeed(config, number)
            except ServiceFailed as error:
                self._hinder(error)
                if config != self.config:
                    await self._take_back(before)
                raise
            self.config = config
            for number in [number for number in self.slots if number >= config.workers]:
                await self._leave(number)

    async def scale(self, workers: int) -> None:
        """Run this number of workers from now on. Raises ServiceFailed when a new one does not get ready."""
        async with self._changing:
            for number in range(workers):
                if number not in self.slots:
                    await self._succeed(self.config, number)
            for number in [number for number in self.slots if number >= workers]:
                await self._leave(number)
            self.config = dataclasses.replace(self.config, workers=workers)

    async def renew(self, worker: Worker) -> None:
        """Bring up a successor of this one worker, then retire it. Raises ServiceFailed as `replace` does."""
        async with self._changing:
            slot = self.slots.get(worker.slot)
            if slot is not None and slot.worker is worker and not worker.exited.done():
                await self._succeed(self.config, worker.slot)

    def recycle(self) -> None:
        """Stop each worker and start it anew, because its environment has changed."""
        for slot in self.slots.values():
            slot.recycle()

    # The host of its slots.

    def worker_spec(self, config: ServiceConfig, number: int) -> WorkerSpec:
        """Return the spec of the next worker of a slot."""
        self._incarnations, (entrance, base_path, server) = self._incarnations + 1, self._app.entry(config)
        return WorkerSpec(
            service=config,
            slot=number,
            incarnation=self._incarnations,
            socket_name=f"{self._index}.{self._incarnations}",
            env=self._app.environment(config),
            versions=self._app.mesh.versions,
            base_path=base_path,
            server=server,
            loopback=self._loopback,
            entrance=entrance,
        )

    def changed(self) -> None:
        """Note that a worker's state changed."""
        self._app.mesh.changed(self.config.id)

    def applied(self) -> None:
        """Note that a worker has applied a newer mesh table."""
        self._app.mesh.applied()

    def became_ready(self, worker: Worker) -> None:
        """Take the report of a worker that got ready."""
        assert worker.report is not None
        self._app.deadlocks.started(self.config.id)
        self._app.exported(self.config, worker.report.exports)
        if not worker.report.http and self._http:
            self._refuse()
        self.changed()
        message = f'started worker {worker.slot} of the service "{self.config.id}"'
        level = LogLevel.DEBUG if self.config.internal else LogLevel.INFO
        self._app.say(level, message, child=worker.pid)

    async def run_probe(self, worker: Worker, probe: ProbeConfig) -> str:
        """Run a probe of a worker once; return the problem, or nothing."""
        return await run_probe(worker, probe, self.config, self._app.environment(self.config), self.factory)

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        self._app.say(level, message, **extra)

    def now(self) -> float:
        """Return the time of the supervisor's clock."""
        return self._clock()

    def random(self) -> float:
        """Return a random number in [0, 1)."""
        return self._rng.random()

    def deadlock(self) -> str:
        """Describe the start deadlock that this service is part of, or return nothing."""
        return self._app.deadlocks.seen.get(self.config.id, "")

    # State.

    @property
    def serving(self) -> bool:
        """Return whether any worker takes calls."""
        return any(slot.serving for slot in self.slots.values())

    def workers(self) -> list[Worker]:
        """Return every running worker, starting and retiring ones included."""
        return [slot.worker for slot in self._all() if slot.worker is not None]

    def snapshot(self) -> MeshService:
        """Return the service's entry in the mesh table."""
        stopped = self._stopping.is_set() or self.ended.is_set() or (self._held and not self.serving)
        return mesh_service(
            self.config,
            self.slots.values(),
            port=self.port if self._http and self.config.http else None,
            state=ServiceState.STOPPED if stopped else None,
            started=self.started.done(),
            successors=self._starting,
            hindered=self._hindered,
        )

    # Slots.

    def _refuse(self) -> None:
        """Refuse connections: no worker will ever accept, so they must not wait in the backlog."""
        self._http = False
        if not self._reserved:
            self._loopback.shutdown(socket.SHUT_RDWR)

    def _all(self) -> list[WorkerSlot]:
        return [*self.slots.values(), *self._starting, *self._retiring]

    def _keep(self, config: ServiceConfig, number: int) -> WorkerSlot:
        assert self._tasks is not None
        slot = WorkerSlot(config, number, self)
        self._tasks.start_soon(slot.run)
        return slot

    def _retire_all(self) -> None:
        for slot in self._all():
            slot.retire()

    async def _before_start(self, config: ServiceConfig) -> ServiceFailed | None:
        """Run the service's beforeStart commands; return the failure of one. A stop ends them."""
        self._hinder(None)
        if not config.before_start:
            return None
        failures: list[ServiceFailed] = []

        async def run() -> None:
            try:
                await run_before_start(config, self._app.environment(config), self.factory)
            except ServiceFailed as failure:
                failures.append(failure)

        await wait_any(self._stopping.wait, run)
        return failures[0] if failures else None

    def _hinder(self, failure: ServiceFailed | None) -> None:
        """Publish why there are no workers, or nothing while they are about to be started."""
        self._hindered = "" if failure is None else why_refused(failure, self.factory)
        self.changed()

    async def _first_failure(self, slots: Sequence[WorkerSlot]) -> ServiceFailed | None:
        """Wait until all are started, one has failed, or the service is told to stop."""
        started = [slot.started for slot in slots]
        await wait_any(self._stopping.wait, partial(asyncio.wait, started, return_when=asyncio.FIRST_EXCEPTION))
        failures = (future.exception() for future in started if future.done())
        return next((failure for failure in failures if isinstance(failure, ServiceFailed)), None)

    async def _succeed(self, config: ServiceConfig, number: int) -> None:
        """Start a worker and, once it serves, retire the one that had the slot. Raises ServiceFailed."""
        if self.factory.production:
            await self._retiring.make_room()
        if self._tasks is None or self._held or self.ended.is_set():
            raise ServiceFailed(self.config.id, f'service "{self.config.id}" does not run, or is being stopped')
        successor = self._keep(config, number)
        self._starting.add(successor)
        try:
            failure = await self._first_failure([successor])
        except BaseException:
            # Cancelled: the code has changed once more, and this attempt is of no use to anybody.
            successor.kill()
            raise
        finally:
            self._starting.discard(successor)
        if failure is None and not successor.started.done():
            failure = ServiceFailed(
                self.config.id, f'service "{self.config.id}" was stopped before its new worker was ready'
            )
        if failure is not None:
            raise failure
        old = self.slots.get(number)
        self.slots[number] = successor
        if old is None:
            self.changed()
        elif self.factory.production:
            await self._retiring.retire(old, self._tasks)
        else:
            # A page that is open in a browser must not hold up the next save.
            self._tasks.start_soon(self._retiring.retire, old, self._tasks)

    async def _take_back(self, before: Mapping[int, WorkerSlot]) -> None:
        """Return the slots that changed since `before` to the present configuration."""
        for number in [number for number, slot in self.slots.items() if slot is not before.get(number)]:
            if number not in before:
                await self._leave(number)
                continue
            try:
                await self._succeed(self.config, number)
            except ServiceFailed as error:
                self.say(LogLevel.ERROR, f"{error.message}; the new configuration serves in its place")

    async def _leave(self, number: int) -> None:
        assert self._tasks is not None
        await self._retiring.retire(self.slots.pop(number), self._tasks)
