"""This checkout beside an earlier one, in turns of a second: what a change costs.

python -m benchmarks.before OTHER_CHECKOUT [--turns N] [--what start proxy publish webhooks]

OTHER_CHECKOUT has a `.venv` of its own (`scripts/setup` there), made with the same Python.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

from benchmarks import apps, publish, topic, turns
from benchmarks.contestants import Contestant
from benchmarks.load import requests
from benchmarks.turns import Runner
from benchmarks.webhooks import delivering_outside
from pywatt_kafka.brokers.apache import RealBroker

TURNS = 24
SECONDS = 1.0
CONNECTIONS = 32
WHAT = ("start", "proxy", "publish", "webhooks")

Measure = Callable[[Path, str], AbstractContextManager[Callable[[], float]]]
"""Runs a checkout's app with a broker, and yields the function that measures one turn: operations per second."""


@contextmanager
def _served(config: str, path: str, checkout: Path, _: str) -> Iterator[Callable[[], float]]:
    with apps.running([str(checkout / ".venv/bin/pywatt"), "start", "-c", config], checkout / "benchmarks/app") as app:
        app.wait_for(path)
        with _in_turns(app, lambda: requests(app.url + path, connections=CONNECTIONS, seconds=1).rate) as turn:
            yield turn


@contextmanager
def _published(checkout: Path, broker: str) -> Iterator[Callable[[], float]]:
    name = asyncio.run(topic.create(broker))
    with _contestant(checkout).running(broker, name) as app:
        url = f"{app.url}/topics/{name}"
        post = partial(requests, url, connections=CONNECTIONS, seconds=1, script=publish.BODY)
        with _in_turns(app, lambda: post().rate, warm_up=3) as turn:
            yield turn


@contextmanager
def _started(checkout: Path, _: str) -> Iterator[Callable[[], float]]:
    def start() -> float:
        command = [str(checkout / ".venv/bin/pywatt"), "start"]
        with apps.running(command, checkout / "examples/kafka-app") as app:
            return 1 / app.wait_for("/api/hello")

    start()
    yield start


@contextmanager
def _in_turns(app: apps.App, measure: Callable[[], float], *, warm_up: int = 1) -> Iterator[Callable[[], float]]:
    """Yield what lets the app run for one turn; it is stopped between."""
    runner = Runner(app=app, count=lambda: 1)

    def turn() -> float:
        runner.go_on()
        try:
            return measure()
        finally:
            runner.stop()

    for _ in range(warm_up):
        turn()
    try:
        yield turn
    finally:
        runner.go_on()


def _contestant(checkout: Path) -> Contestant:
    return Contestant(
        name=str(checkout),
        command=[str(checkout / ".venv/bin/pywatt"), "start", "-c", "watt.kafka.json"],
        folder=checkout / "benchmarks/app",
    )


def _bare(checkout: Path, broker: str) -> AbstractContextManager[Callable[[], float]]:
    return _served("watt.bare.json", "/hello", checkout, broker)


def _proxied(checkout: Path, broker: str) -> AbstractContextManager[Callable[[], float]]:
    return _served("watt.json", "/api/hello", checkout, broker)


MEASURES: Mapping[str, tuple[tuple[str, Measure], ...]] = {
    "start": (("starts", _started),),
    "proxy": (("answers of a service", _bare), ("answers through the gateway", _proxied)),
    "publish": (("posts", _published),),
}


def compare(checkouts: tuple[Path, Path], name: str, measure: Measure, broker: str, count: int) -> None:
    """Measure both in turns and print the ratio."""
    ratios: list[float] = []
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(measure(checkout, broker)) for checkout in checkouts)
        for turn in range(count):
            if turn % 2:
                other = theirs()
                ratios.append(ours() / other)
            else:
                own = ours()
                ratios.append(own / theirs())
    print(f"{name:28} now / before {turns.spread(ratios, '.3f')}", flush=True)


def compare_deliveries(checkouts: tuple[Path, Path], broker: str, count: int) -> None:
    """Compare deliveries of webhooks, which an app makes without requests from outside."""
    records = turns.records_for(count, SECONDS)
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for checkout in checkouts:
            name = asyncio.run(topic.create(broker))
            topic.fill(broker, name, records)
            runner = stack.enter_context(delivering_outside(_contestant(checkout), broker, name))
            runners[str(checkout)] = runner
            runner.warm_up()
        ours, theirs = turns.take(runners, count, SECONDS, records).values()
    ratios = [own / other for own, other in zip(ours, theirs, strict=True)]
    print(f"{'deliveries':28} now / before {turns.spread(ratios, '.3f')}", flush=True)


def main() -> None:
    """Compare what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkout", type=Path)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    options = parser.parse_args()
    checkouts = (apps.ROOT, options.checkout.resolve())
    with RealBroker() as kafka:
        for what in options.what:
            for name, measure in MEASURES.get(what, ()):
                compare(checkouts, name, measure, kafka.address, options.turns)
            if what == "webhooks":
                compare_deliveries(checkouts, kafka.address, options.turns)


if __name__ == "__main__":
    main()
