"""One service: keeps its workers running from start to stop."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

import anyio

from pywatt.config.model import LogLevel, ServiceConfig
from pywatt.errors import ServiceFailed, StartError
from pywatt.mesh.table import MeshService, MeshTable, ServiceState
from pywatt.supervisor.reaper import ExitStatus
from pywatt.supervisor.restart import RestartHistory, after_exit, restart_delay
from pywatt.supervisor.worker import Order, Worker, Workshop, open_worker


class App(Protocol):
    """What a service needs from the app around it."""

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker."""
        ...

    def table(self) -> MeshTable:
        """Return the newest mesh table."""
        ...

    def changed(self) -> None:
        """Note that a worker's state changed."""
        ...

    def exported(self, service: ServiceConfig, variables: Mapping[str, str]) -> None:
        """Take the variables which a worker that got ready exports."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...


class Service:
    """A service and its worker slots."""

    def __init__(
        self,
        config: ServiceConfig,
        *,
        index: int,
        workshop: Workshop,
        app: App,
        loopback: socket.socket,
        public: socket.socket | None,
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.config = config
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # The first failure is reported; those of services that fail beside it are logged, not raised.
        self.started.add_done_callback(asyncio.Future.exception)
        """Done once every worker has been ready for the first time, or with the ServiceFailed that prevented it."""
        self.ended = anyio.Event()
        self.workers: dict[int, Worker] = {}
        self._index = index
        self._workshop = workshop
        self._app = app
        self._loopback = loopback
        self._public = public
        self._clock = clock
        self._rng = rng
        self._incarnations = 0
        self._waiting_for_first = set(range(config.workers))
        self._stopping = anyio.Event()
        self._recycle = anyio.Event()
        self._given_up = ""
        self._http = True

    async def run(self, dependencies: Sequence[asyncio.Future[None]]) -> None:
        """Start the workers once the dependencies have started, and keep them running until `stop`.

        Ends early when the first start fails, which ends the whole start.
        """
        try:
            if dependencies:
                await first_of(self._stopping.wait, partial(asyncio.wait, dependencies))
            if self._stopping.is_set() or any(dependency.exception() for dependency in dependencies):
                return
            async with anyio.create_task_group() as slots:
                for slot in range(self.config.workers):
                    slots.start_soon(self._keep, slot)
        finally:
            self.ended.set()

    async def stop(self) -> None:
        """Stop every worker; return when all are gone."""
        self._stopping.set()
        await self.ended.wait()

    def kill(self) -> None:
        """End every worker at once."""
        self._stopping.set()
        for worker in self.workers.values():
            worker.kill()

    def recycle(self) -> None:
        """Stop each worker and start it anew, because its environment has changed."""
        self._recycle.set()
        self._recycle = anyio.Event()

    def publish(self, table: MeshTable) -> None:
        """Send a newer mesh table to every worker."""
        for worker in self.workers.values():
            worker.publish(table)

    def snapshot(self) -> MeshService:
        """Return the service as others see it."""
        serving = [worker for worker in self.workers.values() if worker.serving]
        degraded = [worker.degraded for worker in serving if worker.degraded]
        if self._stopping.is_set():
            state = ServiceState.STOPPED
        elif self._given_up:
            state = ServiceState.FAILED
        elif degraded:
            state = ServiceState.DEGRADED
        elif serving:
            state = ServiceState.READY
        else:
            state = ServiceState.STARTING if self._waiting_for_first else ServiceState.RESTARTING
        return MeshService(
            id=self.config.id,
            state=state,
            port=self._loopback.getsockname()[1] if self._http else None,
            endpoints=tuple(worker.endpoint for worker in serving) if self._http else (),
            workers=self.config.workers,
            ready=len(serving),
            detail=degraded[0] if degraded else self._given_up,
            internal=self.config.internal,
        )

    async def _keep(self, slot: int) -> None:
        """Run one incarnation after the other in this slot."""
        history = RestartHistory()
        while not self._stopping.is_set():
            failure, ready_seconds = await self._run_worker(slot)
            if self._stopping.is_set():
                return
            if failure is None:
                history = RestartHistory()
                continue
            if not self.started.done():
                self.started.set_exception(failure)
            if slot in self._waiting_for_first:
                return
            if not self.config.restart.enabled:
                self._given_up = f"{failure.message}; restartOnError is off"
                self._app.say(LogLevel.ERROR, self._given_up)
                self._app.changed()
                return
            history = after_exit(history, ready_seconds)
            delay = restart_delay(history, minimum=self.config.restart.delay, random=self._rng.random())
            when = f"in {delay:.1f} s" if delay else "now"
            self._app.say(LogLevel.ERROR, f"{failure.message}; starting it again {when}", failures=history.failures)
            with anyio.move_on_after(delay):
                await self._stopping.wait()

    async def _run_worker(self, slot: int) -> tuple[ServiceFailed | None, float]:
        """Run one worker to its end; return why it failed (None: it was told to end) and how long it was ready."""
        name = f'service "{self.config.id}"'
        if self.config.workers > 1:
            name += f" (worker {slot})"
        self._incarnations += 1
        order = Order(
            service=self.config,
            slot=slot,
            incarnation=self._incarnations,
            socket_name=f"{self._index}.{self._incarnations}",
            env=self._app.environment(self.config),
            table=self._app.table(),
            loopback=self._loopback,
            public=self._public,
        )
        recycle = self._recycle
        try:
            async with open_worker(self._workshop, order, self._app.changed, self._clock) as worker:
                self.workers[slot] = worker
                limit = self._workshop.config.start_timeout
                with anyio.move_on_after(limit) as starting:
                    await first_of(worker.ready.wait, self._stopping.wait, worker.has_exited)
                if worker.ready.is_set():
                    self._became_ready(slot, worker)
                    await first_of(self._stopping.wait, recycle.wait, worker.has_exited)
                told_to_end = self._stopping.is_set() or recycle.is_set()
                if told_to_end:
                    await worker.stop(self.config.shutdown)
        except StartError as error:
            return ServiceFailed(self.config.id, f"{name} cannot be started: {error.message}", hint=error.hint), 0.0
        ready_seconds = worker.ready_seconds()
        if told_to_end:
            return None, ready_seconds
        output = tuple(worker.output.tail)
        if starting.cancelled_caught:
            return ServiceFailed(
                self.config.id,
                f"{name} did not get ready within {limit:g} s",
                output=output,
                hint="if it just needs longer, raise startTimeout (milliseconds) in the root config file",
            ), 0.0
        verb = "ended" if worker.ready.is_set() else "failed to start"
        status = worker.exited.result()
        return ServiceFailed(self.config.id, f"{name} {verb}: {_explain(status)}", output=output), ready_seconds

    def _became_ready(self, slot: int, worker: Worker) -> None:
        assert worker.report is not None
        self._app.exported(self.config, worker.report.exports)
        if not worker.report.http and self._http:
            self._http = False
            # Nobody will ever accept: connections must be refused now, not wait in the backlog.
            self._loopback.shutdown(socket.SHUT_RDWR)
            self._app.changed()
        self._app.say(LogLevel.INFO, f'started worker {slot} of the service "{self.config.id}"', child=worker.pid)
        self._waiting_for_first.discard(slot)
        if not self._waiting_for_first and not self.started.done():
            self.started.set_result(None)


def _explain(status: ExitStatus) -> str:
    return "it returned by itself (exit status 0)" if status.code == 0 else str(status)


async def first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as one of them returns; the others are cancelled."""
    async with anyio.create_task_group() as tasks:

        async def wait_and_cancel(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for wait in waits:
            tasks.start_soon(wait_and_cancel, wait)
