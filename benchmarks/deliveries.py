"""CPU time per delivered webhook, in turns: for the comparison of apps that differ in one setting."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from benchmarks import apps, topic
from benchmarks.target import taking
from benchmarks.turns import SETTLE, Runner

SECONDS = 1.0
WARM_UP = 5.0
FASTEST = 40_000  # records/s that no app here exceeds with two processors


@contextmanager
def cpu_per_delivery(folder: Path, env: Mapping[str, str], broker: str, turns: int) -> Iterator[Callable[[], float]]:
    """Run an app on a backlog; yield what measures one turn: microseconds of CPU per webhook."""
    name = asyncio.run(topic.create(broker))
    topic.fill(broker, name, round((WARM_UP + (turns + 1) * (SECONDS + SETTLE)) * FASTEST))
    variables = {"KAFKA_BROKERS": broker, "TOPIC": name, "LEVEL": "warn", **env}
    with taking() as target:
        command = [apps.PYWATT, "start", "-c", "watt.kafka.json"]
        with apps.running(command, folder, {**variables, "HOOK_URL": target.url()}) as app:
            app.wait_for("/api/count")
            runner = Runner(app=app, count=target.count)
            runner.warm_up(WARM_UP)

            def turn() -> float:
                runner.go_on()
                time.sleep(SETTLE)
                cpu, count = app.cpu_seconds(), target.count()
                time.sleep(SECONDS)
                cpu, count = app.cpu_seconds() - cpu, target.count() - count
                runner.stop()
                if not count:
                    raise apps.AppError("nothing was delivered: its records have come to their end, or it stands still")
                return cpu * 1e6 / count

            try:
                yield turn
            finally:
                runner.go_on()
