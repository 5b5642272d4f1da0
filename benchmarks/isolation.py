"""Measures the delay that a dead target, or a poison key among 1,000, causes to records of other targets and keys.

python -m benchmarks.isolation [--rounds N] [--turns N] [--seconds N] [--case NAME ...] [--breaker]

Two apps deliver the same topic, each to a target of its own, one without and one with the trouble, and take turns: see
`turns`; what is lost is the median of the turns. Nothing in trouble ever gives up here: 1,000 attempts, a second apart;
with --breaker dead targets have a circuit breaker, as those should that records are to wait for. Memory is that of the
kafka-hooks worker in trouble. A poisoned key's own records do not count.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks import apps, hooks, target, topic, turns
from benchmarks.turns import Runner
from pywatt_kafka.brokers.apache import RealBroker

KEYS = 1000
ROUNDS = 4
TURNS = 8
SECONDS = 1.0
WARM = 3.0  # seconds
WITHOUT, WITH = "without", "with"
CONCURRENCY = 100
PATIENT = {"retries": 1000, "retry": {"attemptTimeout": 1000}}
AIM = 0.05  # loss of throughput


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of trouble."""

    name: str
    words: str
    same_topic: bool = False
    """True if the dead target gets the records of the healthy one too, else those of another topic."""


CASES = (
    Case(name="refuses", words="another topic's target refuses connections"),
    Case(name="hangs", words="another topic's target never answers"),
    Case(name="beside-refuses", words="another target of the same topic refuses connections", same_topic=True),
    Case(name="beside-hangs", words="another target of the same topic never answers", same_topic=True),
    Case(name="poison", words=f"one key of {KEYS} is always answered with 500"),
)


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


def measure(
    broker: str, case: Case, options: argparse.Namespace, *, trouble_first: bool
) -> tuple[dict[str, list[float]], list[float]]:
    """Deliver without and with the trouble, in turns; return the rates, and what the worker in trouble weighed (MB)."""
    records = turns.records_for(options.turns, options.seconds)
    healthy, other = (asyncio.run(topic.create(broker)) for _ in range(2))
    topic.fill(broker, healthy, records, keys=KEYS)
    if not case.same_topic:
        topic.fill(broker, other, records, keys=KEYS)
    troubles = {WITHOUT: None, WITH: healthy if case.same_topic else other}
    with ExitStack() as stack:
        runners: dict[str, Runner] = {}
        for name in (WITH, WITHOUT) if trouble_first else (WITHOUT, WITH):
            to = stack.enter_context(target.taking())
            made = entries(case, to, healthy, troubles[name], breaker=options.breaker)
            app = stack.enter_context(hooks.running(broker, f"{healthy}-{name}", made, concurrency=CONCURRENCY))
            runners[name] = Runner(app=app, count=to.count)
            runners[name].warm_up(WARM)
        with hooks.weighing(hooks.worker(runners[WITH].app)) as memory:
            rates = turns.take(runners, options.turns, options.seconds, records)
        return rates, memory


def compare(broker: str, case: Case, options: argparse.Namespace) -> None:
    """Measure with new apps again and again, for one process is quicker than another all its life; print the cost."""
    rates: dict[str, list[float]] = {WITHOUT: [], WITH: []}
    memory: list[float] = []
    for number in range(options.rounds):
        round_rates, weighed = measure(broker, case, options, trouble_first=bool(number % 2))
        for name, each in round_rates.items():
            rates[name] += each
        memory += weighed
    lost = [1 - with_it / without for without, with_it in zip(rates[WITHOUT], rates[WITH], strict=True)]
    print(
        f"{case.words}: {statistics.median(rates[WITH]):.0f}/s, without it {statistics.median(rates[WITHOUT]):.0f}/s:"
        f" {turns.spread(lost, '.1%')} lost (aim: under {AIM:.0%})"
        f"   worker's memory {min(memory):.0f} to {max(memory):.0f} MB",
        flush=True,
    )


def main() -> None:
    """Measure pywatt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--breaker", action="store_true", help="dead targets have a circuit breaker")
    parser.add_argument("--case", nargs="*", choices=[case.name for case in CASES])
    options = parser.parse_args()
    with RealBroker() as kafka:
        for case in CASES:
            if not options.case or case.name in options.case:
                compare(kafka.address, case, options)


if __name__ == "__main__":
    main()
