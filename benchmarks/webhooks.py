"""Webhooks: records delivered per second from a backlog on a real broker.

python -m benchmarks.webhooks [--turns N] [--seconds N] [--partitions N ...]

Once to the app's own `api`, which shares the machine with what is measured, and once to the same cheap target outside.
Everybody has a backlog that lasts, and they take turns: see `turns`. That none is lost: see `losses`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager

from benchmarks import topic, turns
from benchmarks.contestants import Contestant, contestants, print_python
from benchmarks.target import taking
from benchmarks.turns import Runner
from pywatt_kafka.brokers.apache import RealBroker

TURNS = 24
SECONDS = 1.0
PARTITIONS = (1, 4)
READ = 300_000  # records, for the rate of reading alone


@contextmanager
def delivering_to_api(contestant: Contestant, broker: str, name: str) -> Iterator[Runner]:
    """Run the app on a full topic, its webhooks going to its own service."""

    def count() -> int:
        counted: int = json.loads(app.get("/api/count")[1])["received"]
        return counted

    with contestant.running(broker, name) as app:
        yield Runner(app=app, count=count)


@contextmanager
def delivering_outside(contestant: Contestant, broker: str, name: str) -> Iterator[Runner]:
    """Measure as `delivering_to_api`, with a target outside the app."""
    with taking() as target, contestant.running(broker, name, hook=target.url()) as app:
        yield Runner(app=app, count=target.count)


Delivering = Callable[[Contestant, str, str], AbstractContextManager[Runner]]


def compare(broker: str, partitions: int, count: int = TURNS, seconds: float = SECONDS) -> None:
    """Measure everybody in turns and print it."""
    reading = asyncio.run(_read(broker, partitions))
    places: tuple[tuple[str, Delivering], ...] = (("api", delivering_to_api), ("outside", delivering_outside))
    for where, delivering in places:
        records = turns.records_for(count, seconds)
        with ExitStack() as stack:
            runners: dict[str, Runner] = {}
            for contestant in contestants():
                name = asyncio.run(topic.create(broker, partitions=partitions))
                topic.fill(broker, name, records)
                runners[contestant.name] = stack.enter_context(delivering(contestant, broker, name))
                runners[contestant.name].warm_up()
            rates = turns.take(runners, count, seconds, records)
        for party_name, each in rates.items():
            median = statistics.median(each)
            print(
                f"{party_name:10} {median:8.0f} records/s delivered to {where:8} {partitions} partitions"
                f"   {median / reading:5.1%} of reading alone ({reading:.0f}/s)"
            )
        if len(rates) > 1:
            ours, theirs = rates.values()
            ratios = [own / other for own, other in zip(ours, theirs, strict=True) if other]  # it may stand still
            print(f"{'':10} {' / '.join(rates)}: {turns.spread(ratios, '.1f')} x records/s")


async def _read(broker: str, partitions: int) -> float:
    name = await topic.create(broker, partitions=partitions)
    topic.fill(broker, name, READ)
    return await topic.read(broker, name, READ)


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--partitions", type=int, nargs="+", default=PARTITIONS)
    options = parser.parse_args()
    print_python()
    with RealBroker() as kafka:
        for partitions in options.partitions:
            compare(kafka.address, partitions, options.turns, options.seconds)


if __name__ == "__main__":
    main()
