"""What a dead target, or a poison key among 1,000, costs the records that have nothing to do with it.

python -m benchmarks.isolation [--pairs N] [--records N] [--case NAME ...] [--breaker]

The same backlog is delivered with and without the trouble, in turns; what is lost is the median of the pairs. Nothing
in trouble ever gives up here: 1,000 attempts, a second apart; with --breaker dead targets have a circuit breaker, as
those should that records are to wait for. Memory is that of the kafka-hooks worker while it is in trouble.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import apps, hooks, target, topic
from pywatt_kafka.brokers.real import RealBroker

KEYS = 1000
RECORDS = 150_000
PAIRS = 3
CONCURRENCY = 100
PATIENT = {"retries": 1000, "retry": {"attemptTimeout": 1000}}
POISON = 0  # records with the key of that number are poisoned
AIM = 0.05  # loss of throughput


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of trouble."""

    name: str
    words: str
    same_topic: bool = False
    """Whether the dead target gets the records of the healthy one too, else those of another topic."""


CASES = (
    Case(name="refuses", words="another topic's target refuses connections"),
    Case(name="hangs", words="another topic's target never answers"),
    Case(name="beside-refuses", words="another target of the same topic refuses connections", same_topic=True),
    Case(name="beside-hangs", words="another target of the same topic never answers", same_topic=True),
    Case(name="poison", words=f"one key of {KEYS} is always answered with 500"),
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One backlog delivered."""

    rate: float
    """Of the records that have nothing to do with the trouble."""
    memory: Sequence[float]
    """Of the worker, MB, from the start on."""


def entries(
    case: Case, to: target.Target, healthy: str, troubled: str | None, *, breaker: bool
) -> list[dict[str, Any]]:
    """Return the entries of `topics`; `troubled`: the dead target's topic, None without the trouble."""
    if case.name == "poison":
        return [{"topic": healthy, "url": to.url() if troubled is None else to.poisoned, **PATIENT}]
    found: list[dict[str, Any]] = [{"topic": healthy, "url": to.url()}]
    if troubled is not None:
        url = to.hanging if case.name.endswith("hangs") else f"http://127.0.0.1:{apps.free_port()}/nobody"
        found.append({"topic": troubled, "url": url, "breaker": breaker, **PATIENT})
    return found


def measure(broker: str, to: target.Target, case: Case, records: int, *, trouble: bool, breaker: bool = False) -> Run:
    """Deliver a backlog."""
    healthy = asyncio.run(topic.create(broker))
    asyncio.run(topic.fill(broker, healthy, records, keys=KEYS))
    troubled = healthy if case.same_topic else asyncio.run(topic.create(broker))
    if trouble and not case.same_topic:
        asyncio.run(topic.fill(broker, troubled, records, keys=KEYS))
    made = entries(case, to, healthy, troubled if trouble else None, breaker=breaker)
    expected = records - (len(range(POISON, records, KEYS)) if case.name == "poison" and trouble else 0)
    with (
        hooks.running(broker, f"{healthy}-hooks", made, concurrency=CONCURRENCY) as app,
        hooks.weighing(hooks.worker(app)) as memory,
    ):
        to.wait_for(expected, app)
    others = [each for each in to.take() if json.loads(each.body)["order"] % KEYS != POISON]
    seconds = max(each.ended for each in others) - min(each.begun for each in others)
    return Run(rate=len({each.body for each in others}) / seconds, memory=memory)


def compare(broker: str, to: target.Target, case: Case, records: int, pairs: int, *, breaker: bool) -> None:
    """Deliver without and with the trouble, in turns, and print what it cost."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    memory: list[float] = []
    for number in range(pairs):
        for trouble in (False, True) if number % 2 == 0 else (True, False):
            run = measure(broker, to, case, records, trouble=trouble, breaker=breaker)
            rates[trouble].append(run.rate)
            if trouble:
                memory.extend(run.memory)
    lost = statistics.median(1 - with_it / without for without, with_it in zip(*rates.values(), strict=True))
    print(
        f"{case.words}: {statistics.median(rates[True]):.0f}/s, without it {statistics.median(rates[False]):.0f}/s:"
        f" {lost:.1%} lost, the median of {pairs} pairs (aim: under {AIM:.0%})"
        f"   worker's memory {min(memory):.0f} to {max(memory):.0f} MB"
    )


def main() -> None:
    """Measure pywatt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--breaker", action="store_true", help="dead targets have a circuit breaker")
    parser.add_argument("--case", nargs="*", choices=[case.name for case in CASES])
    options = parser.parse_args()
    with RealBroker() as kafka, target.taking() as to:
        for case in CASES:
            if not options.case or case.name in options.case:
                compare(kafka.address, to, case, options.records, options.pairs, breaker=options.breaker)


if __name__ == "__main__":
    main()
