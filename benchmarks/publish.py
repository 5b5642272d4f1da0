"""HTTP publishing: `POST /topics/:topic` per second through the gateway, against aiokafka called directly.

python -m benchmarks.publish [--seconds N]

Its consumer delivers what is published to the app's api meanwhile, as it would.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from benchmarks import topic
from benchmarks.contestants import Contestant, contestants, print_ratio
from benchmarks.load import SECONDS, Load, requests
from pywatt_kafka.brokers.apache import RealBroker

BODY = Path(__file__).with_suffix(".lua")
CONNECTIONS = 32
WARM_UP = 2  # seconds


def measure(contestant: Contestant, broker: str, seconds: int) -> Load:
    """Publish to a new topic for that long."""
    name = asyncio.run(topic.create(broker))
    with contestant.running(broker, name) as app:
        url = f"{app.url}/topics/{name}"
        requests(url, connections=CONNECTIONS, seconds=WARM_UP, script=BODY)
        return requests(url, connections=CONNECTIONS, seconds=seconds, script=BODY)


def compare(broker: str, seconds: int) -> None:
    """Measure everybody and print it."""
    name = asyncio.run(topic.create(broker))
    asyncio.run(topic.publish(broker, name, senders=CONNECTIONS, seconds=WARM_UP))
    direct = asyncio.run(topic.publish(broker, name, senders=CONNECTIONS, seconds=seconds))
    print(f"{'aiokafka':10} {direct:8.0f} records/s, {CONNECTIONS} senders, acks=all, idempotent")
    loads = {contestant.name: measure(contestant, broker, seconds) for contestant in contestants()}
    for name, load in loads.items():
        print(
            f"{name:10} {load.rate:8.0f} posts/s   p50 {load.p50:7.2f} ms   p99 {load.p99:7.2f} ms"
            f"   failed {load.failed}   {load.rate / direct:5.0%} of aiokafka"
        )
    print_ratio("posts/s", {name: load.rate for name, load in loads.items()})


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    with RealBroker() as kafka:
        compare(kafka.address, parser.parse_args().seconds)


if __name__ == "__main__":
    main()
