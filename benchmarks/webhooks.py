"""Webhooks: records delivered per second from a backlog on a real broker; and that none is lost.

python -m benchmarks.webhooks [--records N] [--partitions N ...] [--rounds N]

Once to the app's own `api`, which shares the machine with what is measured, and once to the same cheap target outside.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from benchmarks import topic
from benchmarks.parties import Party, parties, print_python, print_ratios
from benchmarks.target import taking
from pywatt_kafka.brokers.real import RealBroker

RECORDS = 120_000
PARTITIONS = (1, 4)
ROUNDS = 3
DELIVERY_TIMEOUT = 120.0  # seconds
POLL = 0.25  # seconds between two looks at the count


def deliver(party: Party, broker: str, name: str, records: int) -> tuple[float, int, int]:
    """Start the app on a full topic; return webhooks per second, how many there were, and how many were different."""
    with party.running(broker, name) as app:
        deadline = time.perf_counter() + DELIVERY_TIMEOUT
        while True:
            _, body = app.get("/api/count")
            count = json.loads(body)
            if count["different"] >= records or time.perf_counter() > deadline:
                rate = count["received"] / count["seconds"] if count["seconds"] else 0.0
                return rate, count["received"], count["different"]
            time.sleep(POLL)


def deliver_outside(party: Party, broker: str, name: str, records: int) -> tuple[float, int, int]:
    """As `deliver`, to a target of our own."""
    with taking() as target, party.running(broker, name, hook=target.url()) as app:
        target.wait_for(records, app)
        taken = target.take()
    seconds = taken[-1].ended - taken[0].begun
    return len(taken) / seconds, len(taken), len({each.body for each in taken})


def compare(broker: str, records: int, partitions: int, rounds: int = ROUNDS) -> None:
    """Measure everybody in turns and print it, then the median of the rounds."""
    asyncio.run(_warm_up(broker, records, partitions))
    for where, measure in (("api", deliver), ("outside", deliver_outside)):
        rates: dict[str, list[float]] = {}
        for _ in range(rounds):
            for party in parties():
                name = asyncio.run(topic.create(broker, partitions=partitions))
                asyncio.run(topic.fill(broker, name, records))
                reading = asyncio.run(topic.read(broker, name, records))
                rate, received, different = measure(party, broker, name, records)
                rates.setdefault(party.name, []).append(rate)
                print(
                    f"{party.name:10} {rate:8.0f} records/s delivered to {where:8} {partitions} partitions"
                    f"   {received} webhooks, {records - different} lost"
                    f"   {rate / reading:5.1%} of reading alone ({reading:.0f}/s)"
                )
        print_ratios("records/s", rates)


async def _warm_up(broker: str, records: int, partitions: int) -> None:
    """Have the broker's code compiled before anybody is measured."""
    name = await topic.create(broker, partitions=partitions)
    await topic.fill(broker, name, records)
    await topic.read(broker, name, records)


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--partitions", type=int, nargs="+", default=PARTITIONS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    print_python()
    with RealBroker() as kafka:
        for partitions in options.partitions:
            compare(kafka.address, options.records, partitions, options.rounds)


if __name__ == "__main__":
    main()
