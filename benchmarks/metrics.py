"""The cost of metrics: processor time per request with `metrics` on, against the same app without, in turns.

python -m benchmarks.metrics [--turns N] [--what proxy publish webhooks]

Processor time is that of all workers of the app; the rate on a shared machine tells less.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks import apps, publish, topic, turns
from benchmarks.deliveries import cpu_per_delivery
from benchmarks.load import requests
from benchmarks.turns import Runner
from pywatt_kafka.brokers.apache import RealBroker

TURNS = 24
SECONDS = 1
WARM_UP = 6
CONNECTIONS = 32
APP = apps.ROOT / "benchmarks/app"
SERVER = {"port": 0, "hostname": "127.0.0.1"}
WHAT = ("proxy", "publish", "webhooks")

Turn = Callable[[], float]
"""Returns the microseconds of processor time per request of one turn."""


def app_folder(folder: Path, config: str, metrics: bool) -> Path:
    """Copy the app with a root file that counts, or does not."""
    shutil.copytree(APP, folder)
    document = json.loads((folder / config).read_text())
    document["metrics"] = SERVER if metrics else False
    document["logger"] = {"level": "warn"}
    (folder / config).write_text(json.dumps(document))
    return folder


@contextmanager
def served(config: str, path: str, metrics: bool, script: Path | None = None, broker: str = "") -> Iterator[Turn]:
    """Run an app and yield its measurement."""
    with tempfile.TemporaryDirectory() as root:
        folder = app_folder(Path(root) / "app", config, metrics)
        name = asyncio.run(topic.create(broker)) if broker else ""
        env = {"KAFKA_BROKERS": broker, "TOPIC": name} if broker else {}
        with apps.running([apps.PYWATT, "start", "-c", config], folder, env) as app:
            app.wait_for("/api/hello" if broker else path)
            url = f"{app.url}/topics/{name}" if broker else app.url + path

            def turn() -> float:
                runner.go_on()
                before = app.cpu_seconds()
                load = requests(url, connections=CONNECTIONS, seconds=SECONDS, script=script)
                if load.failed or not load.rate:
                    raise apps.AppError(f"{load.failed} requests failed, {load.rate:.0f} per second were answered")
                used = app.cpu_seconds() - before
                runner.stop()
                return used / (load.rate * SECONDS) * 1e6

            # The broker, too, is slow until its code is compiled.
            requests(url, connections=CONNECTIONS, seconds=WARM_UP, script=script)
            runner = Runner(app=app, count=lambda: 1)
            runner.stop()
            try:
                yield turn
            finally:
                runner.go_on()


@contextmanager
def delivered(metrics: bool, broker: str, turns: int) -> Iterator[Turn]:
    """Run an app with webhooks and yield its measurement."""
    with tempfile.TemporaryDirectory() as root:
        folder = app_folder(Path(root) / "app", "watt.kafka.json", metrics)
        with cpu_per_delivery(folder, {}, broker, turns) as turn:
            yield turn


def compare(name: str, opened: Callable[[bool], AbstractContextManager[Turn]], count: int) -> None:
    """Measure with and without metrics in turns, and print the ratio."""
    pairs: list[tuple[float, float]] = []
    with opened(False) as off, opened(True) as on:
        for _ in range(count // 2):
            plain, counted = off(), on()
            counted_again, plain_again = on(), off()
            pairs += [(plain, counted), (plain_again, counted_again)]
    ratios = [counted / plain for plain, counted in pairs]
    plain, counted = (statistics.median(values) for values in zip(*pairs, strict=True))
    print(
        f"{name:8} {plain:6.1f} us per request without, {counted:6.1f} us with metrics: {turns.spread(ratios, '.3f')}"
    )


def main() -> None:
    """Measure the gateway with a service, and publishing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    options = parser.parse_args()
    if "proxy" in options.what:
        compare("proxy", lambda metrics: served("watt.json", "/api/hello", metrics), options.turns)
    if {"publish", "webhooks"} & {*options.what}:
        with RealBroker() as kafka:
            if "publish" in options.what:
                compare(
                    "publish",
                    lambda metrics: served("watt.publish.json", "", metrics, publish.BODY, kafka.address),
                    options.turns,
                )
            if "webhooks" in options.what:
                compare("webhooks", lambda metrics: delivered(metrics, kafka.address, options.turns), options.turns)


if __name__ == "__main__":
    main()
