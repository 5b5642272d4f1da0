"""Start to the first 200, and memory: the four services of examples/kafka-app, with its embedded broker.

python -m benchmarks.start [--runs N] [--pywatt COMMAND] [--app FOLDER] [--path PATH] [--no-load]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from benchmarks import apps
from benchmarks.contestants import IN_APP
from benchmarks.load import requests
from pywatt_kafka.brokers.apache import RealBroker


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start and stop of an app; seconds and MB."""

    first_answer: float
    idle: float
    loaded: float
    stop: float


def measure(command: list[str], folder: Path, path: str, env: Mapping[str, str], *, load: bool) -> Start:
    """Start the app, ask it until it answers, load it for a moment, stop it."""
    with apps.running(command, folder, env) as app:
        first_answer = app.wait_for(path)
        idle = app.memory()
        if load:
            requests(app.url + path, connections=32)
        loaded = app.memory()
        return Start(first_answer=first_answer, idle=idle, loaded=loaded, stop=app.stop())


def measure_all(
    name: str, command: list[str], folder: Path, path: str, env: Mapping[str, str], options: argparse.Namespace
) -> Start:
    """Measure as many times as asked; print and return the medians."""
    starts = [measure(command, folder, path, env, load=options.load) for _ in range(options.runs)]
    median = Start(
        **{field.name: statistics.median(getattr(start, field.name) for start in starts) for field in fields(Start)}
    )
    loaded = f", after load {median.loaded:.0f} MB" if options.load else ""
    print(
        f"{name:10} first 200 {median.first_answer:6.2f} s   stop {median.stop:5.2f} s"
        f"   PSS idle {median.idle:.0f} MB{loaded}   (median of {options.runs})"
    )
    return median


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pywatt", default=apps.PYWATT)
    parser.add_argument("--app", type=Path, default=apps.EXAMPLE)
    parser.add_argument("--path", default="/api/hello")
    parser.add_argument("--no-load", dest="load", action="store_false", help="do without wrk")
    options = parser.parse_args()

    ours = measure_all("pywatt", [options.pywatt, "start"], options.app, options.path, {}, options)
    if apps.ORIGINAL:
        with RealBroker() as kafka:  # it has none of its own
            env = {"KAFKA_BROKERS": kafka.address, "TOPIC": "start", "HOOK_URL": IN_APP, "LEVEL": "warn"}
            command = apps.original_command(apps.ORIGINAL)
            theirs = measure_all("original", command, Path(apps.ORIGINAL), "/api/count", env, options)
        print(
            f"original / pywatt: first 200 {theirs.first_answer / ours.first_answer:.1f} x,"
            f" PSS idle {theirs.idle / ours.idle:.1f} x, after load {theirs.loaded / ours.loaded:.1f} x"
        )


if __name__ == "__main__":
    main()
