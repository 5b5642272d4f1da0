"""Monitors all workers on one timer: sends heartbeats, measures resource usage, has services scaled.

A worker whose event loop hangs is killed after its stack was logged; one beyond its limits is replaced or killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Protocol
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from pywatt import procfs
from pywatt.config.model import LogLevel, ServiceConfig
from pywatt.errors import ControlError, ServiceFailed
from pywatt.supervisor.monitor.autoscaler import Autoscaler, ScaledApp, ScaledService
from pywatt.supervisor.monitor.stack import stack_of
from pywatt.supervisor.monitor.usage import WorkerUsage
from pywatt.supervisor.policy.health import HealthAction, HealthDecision, HealthHistory, after_health_check, over_memory
from pywatt.supervisor.process.worker import Worker

TICK = 5.0
"""Seconds between two ticks: rare, since each wakes up every worker."""
SCALING_TICK = 1.0
"""The same while a service scales. Original: the same."""
SHORTEST_TICK = 0.1
TICKS_PER_LIMIT = 4
"""Least number of ticks within the watchdog's limit."""
RETRY_SECONDS = 30.0
"""Pause after an unsuccessful replacement of an unhealthy worker."""
_UNCHECKED = HealthHistory()


class MonitoredService(ScaledService, Protocol):
    """A service whose workers are monitored."""

    async def renew(self, worker: Worker) -> None:
        """Bring up a successor of this one worker, then retire it. Raises ServiceFailed."""
        ...


class MonitoredApp(ScaledApp, Protocol):
    """An app whose workers are monitored."""

    @property
    def services(self) -> Mapping[str, MonitoredService]:
        """The services by id."""
        ...

    @property
    def on_tick(self) -> Iterable[Callable[[TaskGroup], None]]:
        """Further functions to call in each tick."""
        ...


class Monitor:
    """The monitor of one app."""

    def __init__(self, app: MonitoredApp, clock: Callable[[], float]) -> None:
        self._app = app
        self._clock = clock
        self._usage: WeakKeyDictionary[Worker, WorkerUsage] = WeakKeyDictionary()
        self._health: WeakKeyDictionary[Worker, HealthHistory] = WeakKeyDictionary()
        self._acted_on: set[Worker] = set()
        """Workers with an action in progress."""
        self._autoscaler = Autoscaler(app, clock, self._usage)

    async def run(self) -> None:
        """Tick until cancelled."""
        async with anyio.create_task_group() as tasks:
            last = self._clock()
            while True:
                interval = tick(service.config for service in self._app.services.values())
                await anyio.sleep(interval)
                now = self._clock()
                # When this process itself was stopped, answers are still to be read: that time is no silence.
                with suppress(OSError):  # without descriptors, nothing can be measured: the next tick may
                    self._check_all(tasks, min(now - last, 2 * interval), now)
                for callback in self._app.on_tick:
                    callback(tasks)
                last = now

    def _check_all(self, tasks: TaskGroup, elapsed: float, now: float) -> None:
        for service in self._app.services.values():
            for worker in service.workers():
                left_alone = worker.debuggers.hold or worker.kill_reason or worker in self._acted_on
                if worker.calls and not left_alone:
                    self._check(tasks, service, worker, elapsed, now)
        self._autoscaler.tick(tasks, now)

    # One worker.

    def _check(self, tasks: TaskGroup, service: MonitoredService, worker: Worker, elapsed: float, now: float) -> None:
        config, heartbeat = service.config, worker.heartbeat
        usage = self._usage.setdefault(worker, WorkerUsage())
        heartbeat.passed(elapsed)
        if config.watchdog is not None and heartbeat.silence >= config.watchdog:
            tasks.start_soon(self._end_hung, worker, service)
            return
        if not heartbeat.awaited and _is_asked(config):
            worker.ping()
        if config.max_memory is None and config.scaling is None and config.health.max_cpu is None:
            pids = []
        else:
            pids = procfs.tree(worker.pid)
            usage.measure(pids, elapsed)
        if config.max_memory is not None and usage.memory > config.max_memory:
            tasks.start_soon(self._weigh, worker, service, pids)
            return
        self._health[worker], decision = after_health_check(
            self._health.get(worker, _UNCHECKED),
            config.health,
            delay=heartbeat.delay,
            cpu=usage.cpu,
            ready_seconds=worker.ready_seconds(),
            now=now,
        )
        if decision is not None:
            tasks.start_soon(self._act, worker, service, decision)

    async def _end_hung(self, worker: Worker, service: MonitoredService) -> None:
        """Log the stack of a worker without a heartbeat, and kill it."""
        self._acted_on.add(worker)
        try:
            name, silence = _name(service, worker), worker.heartbeat.silence
            state = procfs.state(worker.pid)
            if state.startswith("T"):
                why = f"; the process is {state}"
            else:
                why = ""
                message = f"{name} has given no sign of life for {silence:.1f} s; its stack follows"
                self._app.say(LogLevel.ERROR, message, child=worker.pid)
                try:
                    await stack_of(worker)
                except ControlError as error:
                    why = f"; {error.message}"
            if worker.heartbeat.awaited:
                worker.kill_reason = f"its event loop gave no sign of life for {silence:.1f} s (watchdog){why}"
                worker.kill()
            else:
                self._app.say(LogLevel.WARN, f"{name} answers again", child=worker.pid)
        finally:
            self._acted_on.discard(worker)

    async def _weigh(self, worker: Worker, service: MonitoredService, pids: list[int]) -> None:
        """Measure whether a worker is too large without the pages that it shares, too."""
        self._acted_on.add(worker)
        try:
            used = await anyio.to_thread.run_sync(procfs.memory, pids)
        except RuntimeError:  # there is no room for a thread now
            return
        finally:
            self._acted_on.discard(worker)
        limit = service.config.max_memory
        grace_period = service.config.health.grace_period
        if limit is None:
            return  # the configuration has changed meanwhile
        decision = over_memory(used.pss, limit, ready_seconds=worker.ready_seconds(), grace_period=grace_period)
        if decision is not None:
            await self._act(worker, service, decision)

    async def _act(self, worker: Worker, service: MonitoredService, decision: HealthDecision) -> None:
        self._acted_on.add(worker)
        try:
            if decision.action is HealthAction.KILL:
                worker.kill_reason = decision.reason
                worker.kill()
                return
            name = _name(service, worker)
            message = f"{name} is replaced as soon as another one serves: {decision.reason}"
            self._app.say(LogLevel.WARN, message, child=worker.pid)
            try:
                await service.renew(worker)
            except ServiceFailed as error:
                self._app.say(LogLevel.ERROR, f"{name} goes on, since {error.message}", child=worker.pid)
                await anyio.sleep(RETRY_SECONDS)
        finally:
            self._acted_on.discard(worker)


def tick(services: Iterable[ServiceConfig]) -> float:
    """Return the seconds between two ticks (pure)."""
    interval = TICK
    for service in services:
        if service.scaling is not None:
            interval = min(interval, SCALING_TICK)
        if service.watchdog is not None:
            interval = min(interval, service.watchdog / TICKS_PER_LIMIT)
        if service.health.max_loop_delay is not None or service.health.max_cpu is not None:
            interval = min(interval, service.health.interval)
    return max(interval, SHORTEST_TICK)


def _is_asked(config: ServiceConfig) -> bool:
    """Return whether the service needs heartbeats of its workers; each of them wakes a worker up."""
    limits = config.watchdog, config.scaling, config.health.max_loop_delay
    return config.metrics or any(limit is not None for limit in limits)


def _name(service: MonitoredService, worker: Worker) -> str:
    return f'worker {worker.slot} of the service "{service.config.id}"'
