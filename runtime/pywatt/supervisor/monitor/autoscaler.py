"""Scales services: samples the signals of their workers and carries out the decisions of the scaling policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from typing import Protocol

from anyio.abc import TaskGroup

from pywatt.config.model import LogLevel, RuntimeConfig, ServiceConfig, Signal
from pywatt.errors import ServiceFailed
from pywatt.supervisor.monitor import cgroup
from pywatt.supervisor.monitor.usage import WorkerUsage
from pywatt.supervisor.policy.scaling import Budget, Change, Load, Sample, decide, kept
from pywatt.supervisor.process.worker import Worker
from pywatt.worker.heartbeat import lag_gauge

MEMORY_SHARE = 0.9
"""Share of the available memory for all services that scale. Original: the same."""
_MILLISECONDS = 1000


class ScaledService(Protocol):
    """A service whose number of workers may change."""

    config: ServiceConfig

    @property
    def slots(self) -> Sized:
        """The worker slots."""
        ...

    @property
    def serving(self) -> bool:
        """Return whether any worker takes calls."""
        ...

    def workers(self) -> list[Worker]:
        """Return every worker that runs."""
        ...

    async def scale(self, workers: int) -> None:
        """Run this number of workers from now on. Raises ServiceFailed."""
        ...


class ScaledApp(Protocol):
    """An app with services that scale."""

    @property
    def services(self) -> Mapping[str, ScaledService]:
        """The services by id."""
        ...

    @property
    def config(self) -> RuntimeConfig:
        """The present configuration."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...


@dataclass
class _Scale:
    """The samples and changes of a service that scales."""

    samples: tuple[Sample, ...] = ()
    changed_at: float | None = None
    changing: bool = False


class Autoscaler:
    """Adds and removes workers of the services of one app."""

    def __init__(self, app: ScaledApp, clock: Callable[[], float], usage: Mapping[Worker, WorkerUsage]) -> None:
        """`usage`: the latest measurement of each worker."""
        self._app = app
        self._clock = clock
        self._usage = usage
        self._scales: dict[str, _Scale] = {}

    def tick(self, tasks: TaskGroup, now: float) -> None:
        """Sample every service that scales, and start the changes that are due as `tasks`."""
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

    def _load(self, service: ScaledService, now: float) -> Load:
        config, scale = service.config, self._scales[service.config.id]
        assert config.scaling is not None
        if scale.changing:
            scale.samples = ()
        else:
            scale.samples = kept((*scale.samples, self._sample(service, now)), now)
        return Load(
            id=config.id,
            config=config.scaling,
            workers=len(service.slots),
            samples=scale.samples,
            changed_at=scale.changed_at,
            memory=sum(used.memory for worker in service.workers() if (used := self._usage.get(worker)) is not None),
        )

    def _sample(self, service: ScaledService, now: float) -> Sample:
        scaling = service.config.scaling
        assert scaling is not None
        old = [worker for worker in service.workers() if worker.serving]
        old = [worker for worker in old if worker.ready_seconds() >= scaling.grace_period]
        means = {}
        for signal in scaling.signals:
            values = [value for worker in old if (value := self._value(worker, signal)) is not None]
            measured = self._measured_lag(service.config.id) if signal is Signal.KAFKA_LAG else None
            if measured is not None and old:
                means[signal] = measured / len(old)
            elif values:
                means[signal] = sum(values) / len(values)
        return Sample(now, means)

    def _measured_lag(self, service_id: str) -> float | None:
        """Return the lag of a service's consumer groups as the health service measures it; None: it does not."""
        name = lag_gauge(service_id)
        reported = (
            worker.heartbeat.gauges.get(name)
            for service in self._app.services.values()
            for worker in service.workers()
            if service.config.id != service_id
        )
        return next((lag for lag in reported if lag is not None), None)

    def _value(self, worker: Worker, signal: Signal) -> float | None:
        match signal:
            case Signal.CPU:
                used = self._usage.get(worker)
                return None if used is None else used.cpu
            case Signal.LOOP_DELAY:
                return worker.heartbeat.delay * _MILLISECONDS
            case Signal.WAITING | Signal.KAFKA_LAG:
                return worker.heartbeat.gauges.get(signal.value)

    async def _change(self, service: ScaledService, change: Change) -> None:
        scale = self._scales[change.id]
        scale.changing = True
        before = len(service.slots)
        message = f'the service "{change.id}" goes from {before} to {change.workers} workers: {change.reason}'
        self._app.say(LogLevel.INFO, message)
        try:
            await service.scale(change.workers)
        except ServiceFailed as error:
            self._app.say(LogLevel.ERROR, f'the service "{change.id}" stays as it was, since {error.message}')
        finally:
            scale.changing, scale.samples, scale.changed_at = False, (), self._clock()
