"""Webhooks: records delivered per second from a backlog on a real broker; and that none is lost.

python -m benchmarks.webhooks [--records N] [--partitions N ...]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

from benchmarks import topic
from benchmarks.parties import Party, parties, print_ratio
from pywatt_kafka.brokers.real import RealBroker

RECORDS = 30_000
PARTITIONS = (1, 4)
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


def compare(broker: str, records: int, partitions: int) -> None:
    """Measure everybody and print it."""
    rates: dict[str, float] = {}
    for party in parties():
        name = asyncio.run(topic.create(broker, partitions=partitions))
        asyncio.run(topic.fill(broker, name, records))
        reading = asyncio.run(topic.read(broker, name, records))
        rate, received, different = deliver(party, broker, name, records)
        rates[party.name] = rate
        print(
            f"{party.name:10} {rate:8.0f} records/s delivered, {partitions} partitions"
            f"   {received} webhooks, {records - different} lost"
            f"   {rate / reading:5.1%} of reading alone ({reading:.0f}/s)"
        )
    print_ratio("records/s", rates)


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--partitions", type=int, nargs="+", default=PARTITIONS)
    options = parser.parse_args()
    with RealBroker() as kafka:
        for partitions in options.partitions:
            compare(kafka.address, options.records, partitions)


if __name__ == "__main__":
    main()
