"""Webhooks: records delivered per second from a backlog on a real broker, one partition; and that none is lost.

python -m benchmarks.webhooks [--records N] [--partitions N]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path

from benchmarks import apps, topic
from pywatt_kafka.brokers.real import RealBroker

APP = apps.ROOT / "benchmarks/app"
RECORDS = 30_000
DELIVERY_TIMEOUT = 120.0  # seconds
POLL = 0.25  # seconds between two looks at the count


def deliver(command: list[str], folder: Path, broker: str, name: str, records: int) -> tuple[float, int, int]:
    """Start the app on a full topic; return webhooks per second, how many there were, and how many were different."""
    with apps.running(command, folder, {"KAFKA_BROKERS": broker, "TOPIC": name, "LEVEL": "warn"}) as app:
        app.wait_for("/api/count")
        deadline = time.perf_counter() + DELIVERY_TIMEOUT
        while True:
            _, body = app.get("/api/count")
            count = json.loads(body)
            if count["different"] >= records or time.perf_counter() > deadline:
                rate = count["received"] / count["seconds"] if count["seconds"] else 0.0
                return rate, count["received"], count["different"]
            time.sleep(POLL)


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--partitions", type=int, default=1)
    options = parser.parse_args()

    with RealBroker() as kafka:
        broker = kafka.address
        parties = {"pywatt": ([apps.PYWATT, "start", "-c", "watt.kafka.json"], APP)}
        if apps.ORIGINAL:
            parties["original"] = (apps.original_command(apps.ORIGINAL), Path(apps.ORIGINAL))
        for party, (command, folder) in parties.items():
            name = asyncio.run(topic.create(broker, partitions=options.partitions))
            asyncio.run(topic.fill(broker, name, options.records))
            reading = asyncio.run(topic.read(broker, name, options.records))
            rate, received, different = deliver(command, folder, broker, name, options.records)
            print(
                f"{party:10} {rate:8.0f} records/s delivered   {received} webhooks, {options.records - different} lost"
                f"   {rate / reading:5.1%} of reading alone ({reading:.0f}/s)"
            )


if __name__ == "__main__":
    main()
