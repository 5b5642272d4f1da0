"""Key order at width: one partition, 1,000 keys, 100 deliveries in flight, a target with work to do per record.

python -m benchmarks.keys [--work MS ...]

First the case of the parallel-consumer README: 10,000 records, 0 to 5 ms of work each. Then, for each amount of work,
the share of the ideal rate, which is what is in flight divided by the work; where no worker could send that much, the
share of what this one sends when there is no work at all. Order and completeness are checked at the target.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from dataclasses import dataclass

from benchmarks import hooks, target, topic
from benchmarks.target import Taken
from pywatt_kafka.brokers.apache import RealBroker

KEYS = 1000
CONCURRENCY = 100
RECORDS = 10_000
README = 2.06  # seconds, in the README of confluentinc/parallel-consumer, on another machine
WORK = (1.0, 10.0, 50.0, 100.0)  # milliseconds
UNLOADED = 40_000  # records without work, for the most that a worker sends
SECONDS = 4  # that a run with work should take
LEAST, MOST = 4_000, 40_000  # records of such a run


@dataclass(frozen=True, kw_only=True)
class Run:
    """Results at the target."""

    seconds: float
    """Time from the begin of the first delivery to the end of the last."""
    rate: float
    lost: int
    again: int
    disorder: int
    """Deliveries that began before the record before, of the same key, was answered, or in the wrong order."""

    @property
    def checks(self) -> str:
        return f"{self.lost} lost, {self.disorder} out of order, {self.again} twice"


def check(taken: list[Taken], records: int) -> Run:
    """Look at what came for records `{"order": N}` with the key N modulo KEYS."""
    last: dict[int, tuple[int, float]] = {}
    seen: set[int] = set()
    disorder = 0
    for each in sorted(taken):
        number = json.loads(each.body)["order"]
        before = last.get(number % KEYS)
        if before is not None and number not in seen and (number < before[0] or each.begun < before[1]):
            disorder += 1
        last[number % KEYS] = number, each.ended
        seen.add(number)
    seconds = max(each.ended for each in taken) - min(each.begun for each in taken)
    return Run(
        seconds=seconds,
        rate=len(seen) / seconds,
        lost=records - len(seen),
        again=len(taken) - len(seen),
        disorder=disorder,
    )


def measure(broker: str, to: target.Target, records: int, least: float, most: float) -> Run:
    """Deliver a backlog to a target that takes a fixed time per record."""
    name = asyncio.run(topic.create(broker))
    topic.fill(broker, name, records, keys=KEYS)
    entry = {"topic": name, "url": to.url(least, most)}
    with hooks.running(broker, f"{name}-hooks", [entry], concurrency=CONCURRENCY) as app:
        to.wait_for(records, app)
    return check(to.take(), records)


def main() -> None:
    """Measure pywatt; the original does not deliver in the order of keys."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=float, nargs="*", default=WORK)
    works: list[float] = parser.parse_args().work
    with RealBroker() as kafka, target.taking() as to:
        print(f"{KEYS} keys, 1 partition, {CONCURRENCY} in flight")
        run = measure(kafka.address, to, RECORDS, 0, 5)
        print(
            f"{RECORDS} records, 0-5 ms of work: {run.seconds:.2f} s from the first to the last ({run.rate:.0f}/s)"
            f"   {run.checks}   parallel-consumer's README: {README} s"
        )
        most = measure(kafka.address, to, UNLOADED, 0, 0)
        print(f"no work:     {most.rate:6.0f}/s: the most that this worker sends   {most.checks}")
        for work in works:
            ideal = CONCURRENCY * 1000 / work
            records = round(min(max(ideal * SECONDS, LEAST), MOST))
            run = measure(kafka.address, to, records, work, work)
            if ideal <= most.rate:
                share = f"{run.rate / ideal:4.0%} of the ideal {ideal:.0f}/s"
            else:
                share = f"{run.rate / most.rate:4.0%} of what it sends at most; the ideal {ideal:.0f}/s is above that"
            print(f"{work:3g} ms work: {run.rate:6.0f}/s   {share}   {run.checks}")


if __name__ == "__main__":
    main()
