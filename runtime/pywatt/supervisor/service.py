"""One service: its worker slots, its state as others see it, and changing its workers without a gap."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import anyio
from anyio.abc import TaskGroup

from pywatt.concurrency import first_of
from pywatt.config.model import LogLevel, ProbeConfig, ServiceConfig
from pywatt.errors import ServiceFailed
from pywatt.mesh.table import MeshService, ServiceState
from pywatt.supervisor.monitor.probe_kinds import ask
from pywatt.supervisor.parties import App
from pywatt.supervisor.process.before_start import run_before_start
from pywatt.supervisor.process.worker import Order, Worker, Workshop
from pywatt.supervisor.service_status import mesh_service
from pywatt.supervisor.slot import Keeper, why_refused

MOST_RETIRING = 4
"""Workers of a service that have been replaced and still run, above which the next replacement waits for their end."""


class Service:
    """A service of the running app."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        index: int,
        workshop: Workshop,
        app: App,
        loopback: socket.socket,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.config = config
        self.workshop = workshop
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done once every worker has been ready for the first time, or with the ServiceFailed that prevented it."""
        self.started.add_done_callback(lambda started: started.cancelled() or started.exception())
        self.ended = anyio.Event()
        self.keepers: dict[int, Keeper] = {}
        self._retiring: set[Keeper] = set()
        self._starting: set[Keeper] = set()
        self._index = index
        self._app = app
        self._loopback = loopback
        self.port: int = loopback.getsockname()[1]
        """The loopback port that the service keeps for the life of the runtime."""
        self._clock = clock
        self._rng = rng
        self._incarnations = 0
        self._stopping = anyio.Event()
        self._held = False
        """Whether no worker is started any more."""
        self._changing = asyncio.Lock()
        self._http = True
        self._tasks: TaskGroup | None = None
        self._hindered = ""
        """Why the last attempt to start workers failed."""
        self.parked = False
        """Whether the user has stopped it; another Service takes its place when it is started again."""
        if not config.http:
            self._refuse()

    # The life of the service.

    async def run(self, dependencies: Sequence[asyncio.Future[None]]) -> None:
        """Start the workers once the dependencies have started, and keep them running until `stop`.

        Ends early when the first start fails.
        """
        try:
            if dependencies:
                await first_of(self._stopping.wait, partial(asyncio.wait, dependencies))
            if self._held or any(dependency.exception() for dependency in dependencies):
                return
            async with anyio.create_task_group() as self._tasks:
                failure = await self._before_start(self.config)
                if failure is None and not self._held:
                    for slot in range(self.config.workers):
                        self.keepers[slot] = self._keep(self.config, slot)
                    failure = await self._first_failure(list(self.keepers.values()))
                if self._held:
                    failure = None  # it was not given the time
                if failure is not None and self.workshop.production:
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
        """Start no further worker, since the app is about to stop; those that serve go on until `stop`."""
        self._held = True
        if not self.keepers:
            self._stopping.set()
        for keeper in self._all():
            keeper.hold()
            if not keeper.serving:
                keeper.retire()

    async def stop(self) -> None:
        """Stop every worker; return when all are gone."""
        self._held = True
        self._stopping.set()
        await self.ended.wait()

    async def park(self) -> None:
        """Stop every worker until the service is started again; nobody connects to it meanwhile."""
        self.parked = True
        await self.stop()
        self.keepers.clear()

    def kill(self) -> None:
        """End every worker at once."""
        self._held = True
        self._stopping.set()
        for keeper in self._all():
            keeper.kill()

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
                config = dataclasses.replace(config, workers=len(self.keepers) or config.workers)
            before = dict(self.keepers)
            try:
                failure = await self._before_start(config)
                if failure is not None:
                    raise failure
                for slot in range(config.workers):
                    await self._succeed(config, slot)
            except ServiceFailed as error:
                self._hinder(error)
                if config != self.config:
                    await self._take_back(before)
                raise
            self.config = config
            for slot in [slot for slot in self.keepers if slot >= config.workers]:
                await self._leave(slot)

    async def scale(self, workers: int) -> None:
        """Run so many workers from now on. Raises ServiceFailed when a new one does not get ready."""
        async with self._changing:
            for slot in range(workers):
                if slot not in self.keepers:
                    await self._succeed(self.config, slot)
            for slot in [slot for slot in self.keepers if slot >= workers]:
                await self._leave(slot)
            self.config = dataclasses.replace(self.config, workers=workers)

    async def renew(self, worker: Worker) -> None:
        """Bring up a successor of this one worker, then retire it. Raises ServiceFailed as `replace` does."""
        async with self._changing:
            keeper = self.keepers.get(worker.slot)
            if keeper is not None and keeper.worker is worker and not worker.exited.done():
                await self._succeed(self.config, worker.slot)

    def recycle(self) -> None:
        """Stop each worker and start it anew, because its environment has changed."""
        for keeper in self.keepers.values():
            keeper.recycle()

    # What keepers need.

    def order(self, config: ServiceConfig, slot: int) -> Order:
        """Return what the next worker of the slot is made from."""
        self._incarnations += 1
        public, base_path, server = self._app.entry(config)
        return Order(
            service=config,
            slot=slot,
            incarnation=self._incarnations,
            socket_name=f"{self._index}.{self._incarnations}",
            env=self._app.environment(config),
            versions=self._app.mesh.versions,
            base_path=base_path,
            server=server,
            loopback=self._loopback,
            public=public,
        )

    def changed(self) -> None:
        """Note that a worker's state changed."""
        self._app.mesh.changed(self.config.id)

    def applied(self) -> None:
        """Note that a worker has applied a newer mesh table."""
        self._app.mesh.applied()

    def became_ready(self, worker: Worker) -> None:
        """Take what a worker reported with its readiness."""
        assert worker.report is not None
        self._app.circles.started(self.config.id)
        self._app.exported(self.config, worker.report.exports)
        if not worker.report.http and self._http:
            self._refuse()
        self.changed()
        message = f'started worker {worker.slot} of the service "{self.config.id}"'
        level = LogLevel.DEBUG if self.config.internal else LogLevel.INFO
        self._app.say(level, message, child=worker.pid)

    async def ask(self, worker: Worker, probe: ProbeConfig) -> str:
        """Ask a worker what a probe asks; return what is wrong, or nothing."""
        return await ask(worker, probe, self.config, self._app.environment(self.config), self.workshop)

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        self._app.say(level, message, **extra)

    def now(self) -> float:
        """Return the time of the supervisor's clock."""
        return self._clock()

    def random(self) -> float:
        """Return a random number in [0, 1)."""
        return self._rng.random()

    def circle(self) -> str:
        """Return in which circle of services that wait for each other this one starts, or nothing."""
        return self._app.circles.seen.get(self.config.id, "")

    # What others see.

    @property
    def serving(self) -> bool:
        """Whether any worker takes calls."""
        return any(keeper.serving for keeper in self.keepers.values())

    def workers(self) -> list[Worker]:
        """Return every worker that runs, those that start or retire included."""
        return [keeper.worker for keeper in self._all() if keeper.worker is not None]

    def snapshot(self) -> MeshService:
        """Return the service as others see it."""
        stopped = self._stopping.is_set() or self.ended.is_set() or (self._held and not self.serving)
        return mesh_service(
            self.config,
            self.keepers.values(),
            port=self.port if self._http and self.config.http else None,
            state=ServiceState.STOPPED if stopped else None,
            started=self.started.done(),
            successors=self._starting,
            hindered=self._hindered,
        )

    # Slots.

    def _refuse(self) -> None:
        """Have connections refused: nobody will ever accept, so they must not wait in the backlog."""
        self._http = False
        self._loopback.shutdown(socket.SHUT_RDWR)

    def _all(self) -> list[Keeper]:
        return [*self.keepers.values(), *self._starting, *self._retiring]

    def _keep(self, config: ServiceConfig, slot: int) -> Keeper:
        assert self._tasks is not None
        keeper = Keeper(config, slot, self)
        self._tasks.start_soon(keeper.run)
        return keeper

    def _retire_all(self) -> None:
        for keeper in self._all():
            keeper.retire()

    async def _before_start(self, config: ServiceConfig) -> ServiceFailed | None:
        """Run the commands that come before the workers; return the failure of one. A stop ends them."""
        self._hinder(None)
        if not config.before_start:
            return None
        failures: list[ServiceFailed] = []

        async def run() -> None:
            try:
                await run_before_start(config, self._app.environment(config), self.workshop)
            except ServiceFailed as failure:
                failures.append(failure)

        await first_of(self._stopping.wait, run)
        return failures[0] if failures else None

    def _hinder(self, failure: ServiceFailed | None) -> None:
        """Have callers told why there are no workers, or nothing while they are about to be started."""
        self._hindered = "" if failure is None else why_refused(failure, self.workshop)
        self.changed()

    async def _first_failure(self, keepers: Sequence[Keeper]) -> ServiceFailed | None:
        """Wait until all are started, one has failed, or the service is told to stop."""
        started = [keeper.started for keeper in keepers]
        await first_of(self._stopping.wait, partial(asyncio.wait, started, return_when=asyncio.FIRST_EXCEPTION))
        failures = (future.exception() for future in started if future.done())
        return next((failure for failure in failures if isinstance(failure, ServiceFailed)), None)

    async def _succeed(self, config: ServiceConfig, slot: int) -> None:
        """Start a worker and, once it serves, retire the one that had the slot. Raises ServiceFailed."""
        if self.workshop.production:
            await self._make_room()
        if self._tasks is None or self._held or self.ended.is_set():
            raise ServiceFailed(self.config.id, f'service "{self.config.id}" does not run, or is being stopped')
        successor = self._keep(config, slot)
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
        old = self.keepers.get(slot)
        self.keepers[slot] = successor
        if old is None:
            self.changed()
        elif self.workshop.production:
            await self._retire(old)
        else:
            # A page that is open in a browser must not hold up the next save.
            self._tasks.start_soon(self._retire, old)

    async def _take_back(self, before: Mapping[int, Keeper]) -> None:
        """Have the slots that have another keeper than before served by the present configuration again."""
        for slot in [slot for slot, keeper in self.keepers.items() if keeper is not before.get(slot)]:
            if slot in before:
                try:
                    await self._succeed(self.config, slot)
                except ServiceFailed as error:
                    self.say(LogLevel.ERROR, f"{error.message}; the new configuration serves in its place")
            else:
                await self._leave(slot)

    async def _leave(self, slot: int) -> None:
        await self._retire(self.keepers.pop(slot))

    async def _retire(self, keeper: Keeper) -> None:
        """Take a keeper's worker out of the table and return when all callers know; it ends in the background."""
        assert self._tasks is not None
        left = anyio.Event()
        self._retiring.add(keeper)
        self._tasks.start_soon(self._see_off, keeper, left)
        await left.wait()

    async def _see_off(self, keeper: Keeper, left: anyio.Event) -> None:
        """Wait until no call to the keeper's worker is left, then have it stop. `left`: set when no new ones come."""
        version = self._app.mesh.publish(self.config.id)
        try:
            await first_of(self._stopping.wait, keeper.ended.wait, partial(self._app.mesh.followed, version))
            left.set()
            await first_of(self._stopping.wait, keeper.ended.wait, partial(self._app.mesh.drained, version))
            # In development a page that is open in a browser is to find the new code soon.
            keeper.retire(linger=self.workshop.production)
            await keeper.ended.wait()
        finally:
            self._retiring.discard(keeper)
            self.changed()

    async def _make_room(self) -> None:
        """Wait while many replaced workers have not ended yet."""
        while not self._stopping.is_set():
            running = [keeper for keeper in self._retiring if not keeper.ended.is_set()]
            if len(running) < MOST_RETIRING:
                return
            await first_of(self._stopping.wait, *(keeper.ended.wait for keeper in running))
