"""Goes round all workers every few seconds, on one timer: asks for signs of life, looks at what they use, scales.

A worker whose event loop hangs is killed after its stack was logged; one beyond its limits is replaced or killed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from pywatt import procfs
from pywatt.config.model import LogLevel, RuntimeConfig, ServiceConfig, Signal
from pywatt.errors import ControlError, ServiceFailed
from pywatt.supervisor.monitor import cgroup
from pywatt.supervisor.monitor.stack import stack_of
from pywatt.supervisor.policy.health import Checks, Finding, Remedy, after_check, over_memory
from pywatt.supervisor.policy.scaling import Budget, Change, Load, Sample, decide, kept
from pywatt.supervisor.process.worker import Worker
from pywatt.supervisor.service import Service

TICK = 5.0
"""Seconds between two rounds: rare, since each wakes up every worker."""
SCALING_TICK = 1.0
"""The same while a service scales. Original: the same."""
SHORTEST_TICK = 0.1
LOOKS = 4
"""How often at least a worker is looked at within a limit of time."""
RETRY_SECONDS = 30.0
"""After a worker that has to go could not be replaced."""
MEMORY_SHARE = 0.9
"""Of the memory there is, for all services that scale. Original: the same."""
_MILLISECONDS = 1000


class App(Protocol):
    """The app whose workers are looked at."""

    @property
    def services(self) -> Mapping[str, Service]:
        """The services by id."""
        ...

    @property
    def config(self) -> RuntimeConfig:
        """The present configuration."""
        ...

    @property
    def on_round(self) -> Iterable[Callable[[TaskGroup], None]]:
        """What else is to be done in each round."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...


@dataclass
class _Seen:
    """What was seen of a worker in the rounds before."""

    checks: Checks = field(default_factory=Checks)
    cpu_seconds: float | None = None
    cpu: float | None = None
    """Share of one core."""
    memory: int = 0
    """Resident bytes."""


@dataclass
class _Scale:
    """What is remembered of a service that scales."""

    samples: tuple[Sample, ...] = ()
    changed_at: float | None = None
    changing: bool = False


class Rounds:
    """Used as `await rounds.run()`, until cancelled."""

    def __init__(self, app: App, clock: Callable[[], float]) -> None:
        self._app = app
        self._clock = clock
        self._seen: WeakKeyDictionary[Worker, _Seen] = WeakKeyDictionary()
        self._leaving: set[Worker] = set()
        """Those about which something is being done."""
        self._scales: dict[str, _Scale] = {}

    async def run(self) -> None:
        """Go round until cancelled."""
        async with anyio.create_task_group() as tasks:
            last = self._clock()
            while True:
                interval = tick(service.config for service in self._app.services.values())
                await anyio.sleep(interval)
                now = self._clock()
                # When this process itself was stopped, answers are still to be read: that time is nobody's silence.
                with suppress(OSError):  # without descriptors, nobody can be looked at: the next round may
                    self._go_round(tasks, min(now - last, 2 * interval), now)
                for look in self._app.on_round:
                    look(tasks)
                last = now

    def _go_round(self, tasks: TaskGroup, elapsed: float, now: float) -> None:
        for service in self._app.services.values():
            for worker in service.workers():
                if worker.calls and not worker.debuggers.hold and not worker.verdict and worker not in self._leaving:
                    self._look_at(tasks, service, worker, elapsed, now)
        self._scale(tasks, now)

    # One worker.

    def _look_at(self, tasks: TaskGroup, service: Service, worker: Worker, elapsed: float, now: float) -> None:
        config, pulse = service.config, worker.pulse
        seen = self._seen.setdefault(worker, _Seen())
        pulse.passed(elapsed)
        if config.watchdog is not None and pulse.silence >= config.watchdog:
            tasks.start_soon(self._end_hung, worker, service)
            return
        if not pulse.awaited and _is_asked(config):
            worker.ping()
        if config.max_memory is None and config.scaling is None and config.health.max_cpu is None:
            pids = []
        else:
            pids = procfs.tree(worker.pid)
            self._measure(seen, pids, elapsed)
        if config.max_memory is not None and seen.memory > config.max_memory:
            tasks.start_soon(self._weigh, worker, service, pids)
            return
        seen.checks, finding = after_check(
            seen.checks,
            config.health,
            delay=pulse.delay,
            cpu=seen.cpu,
            ready_seconds=worker.ready_seconds(),
            now=now,
        )
        if finding is not None:
            tasks.start_soon(self._remedy, worker, service, finding)

    def _measure(self, seen: _Seen, pids: list[int], elapsed: float) -> None:
        used = procfs.cpu_seconds(pids)
        if seen.cpu_seconds is not None and elapsed > 0:
            seen.cpu = max(0.0, used - seen.cpu_seconds) / elapsed
        seen.cpu_seconds = used
        seen.memory = procfs.resident(pids)

    async def _end_hung(self, worker: Worker, service: Service) -> None:
        """Log what a worker is doing that gives no sign of life, and kill it."""
        self._leaving.add(worker)
        try:
            name, silence = _name(service, worker), worker.pulse.silence
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
            if worker.pulse.awaited:
                worker.verdict = f"its event loop gave no sign of life for {silence:.1f} s (watchdog){why}"
                worker.kill()
            else:
                self._app.say(LogLevel.WARN, f"{name} answers again", child=worker.pid)
        finally:
            self._leaving.discard(worker)

    async def _weigh(self, worker: Worker, service: Service, pids: list[int]) -> None:
        """Look whether a worker is too large without what it shares with others, too."""
        self._leaving.add(worker)
        try:
            used = await anyio.to_thread.run_sync(procfs.memory, pids)
        except RuntimeError:  # there is no room for a thread now
            return
        finally:
            self._leaving.discard(worker)
        limit = service.config.max_memory
        grace_period = service.config.health.grace_period
        if limit is None:
            return  # the configuration has changed meanwhile
        finding = over_memory(used.pss, limit, ready_seconds=worker.ready_seconds(), grace_period=grace_period)
        if finding is not None:
            await self._remedy(worker, service, finding)

    async def _remedy(self, worker: Worker, service: Service, finding: Finding) -> None:
        self._leaving.add(worker)
        try:
            if finding.remedy is Remedy.KILL:
                worker.verdict = finding.reason
                worker.kill()
                return
            name = _name(service, worker)
            message = f"{name} is replaced as soon as another one serves: {finding.reason}"
            self._app.say(LogLevel.WARN, message, child=worker.pid)
            try:
                await service.renew(worker)
            except ServiceFailed as error:
                self._app.say(LogLevel.ERROR, f"{name} goes on, since {error.message}", child=worker.pid)
                await anyio.sleep(RETRY_SECONDS)
        finally:
            self._leaving.discard(worker)

    # The number of workers.

    def _scale(self, tasks: TaskGroup, now: float) -> None:
        scaling = {service_id: one for service_id, one in self._app.services.items() if one.config.scaling is not None}
        self._scales = {service_id: self._scales.get(service_id, _Scale()) for service_id in scaling}
        if not scaling:
            return
        loads = [self._load(service, now) for service in scaling.values() if service.serving]
        config = self._app.config
        budget = Budget(
            workers=config.total_workers or cgroup.cores(),
            memory=config.total_memory or int(cgroup.total_memory() * MEMORY_SHARE),
            free_memory=cgroup.free_memory(),
        )
        for change in decide(loads, budget, now):
            if not self._scales[change.id].changing:
                tasks.start_soon(self._change, scaling[change.id], change)

    def _load(self, service: Service, now: float) -> Load:
        config, scale = service.config, self._scales[service.config.id]
        assert config.scaling is not None
        if scale.changing:
            scale.samples = ()
        else:
            scale.samples = kept((*scale.samples, self._sample(service, now)), now)
        return Load(
            id=config.id,
            config=config.scaling,
            workers=len(service.keepers),
            samples=scale.samples,
            changed_at=scale.changed_at,
            memory=sum(seen.memory for worker in service.workers() if (seen := self._seen.get(worker)) is not None),
        )

    def _sample(self, service: Service, now: float) -> Sample:
        scaling = service.config.scaling
        assert scaling is not None
        old = [worker for worker in service.workers() if worker.serving]
        old = [worker for worker in old if worker.ready_seconds() >= scaling.grace_period]
        means = {}
        for signal in scaling.signals:
            values = [value for worker in old if (value := self._value(worker, signal)) is not None]
            if values:
                means[signal] = sum(values) / len(values)
        return Sample(now, means)

    def _value(self, worker: Worker, signal: Signal) -> float | None:
        match signal:
            case Signal.CPU:
                seen = self._seen.get(worker)
                return None if seen is None else seen.cpu
            case Signal.LOOP_DELAY:
                return worker.pulse.delay * _MILLISECONDS
            case Signal.WAITING | Signal.KAFKA_LAG:
                return worker.pulse.gauges.get(signal.value)

    async def _change(self, service: Service, change: Change) -> None:
        scale = self._scales[change.id]
        scale.changing = True
        before = len(service.keepers)
        message = f'the service "{change.id}" goes from {before} to {change.workers} workers: {change.reason}'
        self._app.say(LogLevel.INFO, message)
        try:
            await service.scale(change.workers)
        except ServiceFailed as error:
            self._app.say(LogLevel.ERROR, f'the service "{change.id}" stays as it was, since {error.message}')
        finally:
            scale.changing, scale.samples, scale.changed_at = False, (), self._clock()


def tick(services: Iterable[ServiceConfig]) -> float:
    """Return how many seconds to wait between two rounds (pure)."""
    interval = TICK
    for service in services:
        if service.scaling is not None:
            interval = min(interval, SCALING_TICK)
        if service.watchdog is not None:
            interval = min(interval, service.watchdog / LOOKS)
        if service.health.max_loop_delay is not None or service.health.max_cpu is not None:
            interval = min(interval, service.health.interval)
    return max(interval, SHORTEST_TICK)


def _is_asked(config: ServiceConfig) -> bool:
    """Whether signs of life of the service's workers mean anything; each of them wakes a worker up."""
    return config.watchdog is not None or config.scaling is not None or config.health.max_loop_delay is not None


def _name(service: Service, worker: Worker) -> str:
    return f'worker {worker.slot} of the service "{service.config.id}"'
