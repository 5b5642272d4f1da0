"""Scaling by the lag that the health service measures, for consumers that report none themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import pytest
from harness.restart_config import RESTART

from pywatt.config.model import LogLevel, ScalingConfig, ServiceConfig, Signal, Threshold
from pywatt.supervisor.monitor.autoscaler import Autoscaler

pytestmark = pytest.mark.anyio

SECONDS = 15


@dataclass
class Heartbeat:
    gauges: Mapping[str, float] = field(default_factory=dict)


@dataclass(eq=False)
class Worker:
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    serving: bool = True

    def ready_seconds(self) -> float:
        return 3600.0


@dataclass
class Service:
    config: ServiceConfig
    gauges: Mapping[str, float] = field(default_factory=dict)
    serving: bool = True
    scaled: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.slots = (0,)
        self._workers = [Worker(Heartbeat(self.gauges))]

    def workers(self) -> Any:
        return self._workers

    async def scale(self, workers: int) -> None:
        self.scaled.append(workers)


@dataclass
class Limits:
    total_workers: int = 8
    total_memory: int = 1 << 60


@dataclass
class App:
    services: Mapping[str, Service]
    config: Any = field(default_factory=Limits)

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Ignore it."""


@pytest.mark.parametrize(
    ("reported", "own", "scaled"),
    [
        ({"kafkaLag:worker": 5000.0}, {}, [2]),
        ({"kafkaLag:worker": 50.0}, {}, []),
        ({"kafkaLag:other": 5000.0}, {}, []),
        ({}, {"kafkaLag": 5000.0}, [2]),
        ({"kafkaLag:worker": 5000.0}, {"kafkaLag": 0.0}, [2]),  # a consumer that is none of pywatt's reports nothing
    ],
)
async def test_a_service_follows_the_lag_that_is_measured_for_it(
    reported: Mapping[str, float], own: Mapping[str, float], scaled: list[int]
) -> None:
    scaling = ScalingConfig(
        minimum=1, maximum=2, grace_period=0.0, signals={Signal.KAFKA_LAG: Threshold(up=1000, down=100)}
    )
    worker = Service(ServiceConfig(restart=RESTART, id="worker", path=Path(), type="command", scaling=scaling), own)
    health = Service(ServiceConfig(restart=RESTART, id="health", path=Path(), type="health"), reported)
    app = App({"worker": worker, "health": health})
    scaler = Autoscaler(cast(Any, app), lambda: 0.0, {})
    async with anyio.create_task_group() as tasks:
        for now in range(SECONDS):
            scaler.tick(tasks, float(now))
            await anyio.lowlevel.checkpoint()
    assert worker.scaled[:1] == scaled
