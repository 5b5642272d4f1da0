"""Request/response over two topics: round trips per second through the gateway, with 1 and 32 clients.

python -m benchmarks.roundtrip [--seconds N]

A worker in the same app answers each request with its own body.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from benchmarks import topic
from benchmarks.contestants import Contestant, contestants, print_ratio
from benchmarks.load import SECONDS, Load, requests
from pywatt_kafka.brokers.apache import RealBroker

BODY = Path(__file__).with_name("publish.lua")
CLIENTS = (1, 32)
WARM_UP = 2  # seconds


def measure(contestant: Contestant, broker: str, seconds: int) -> dict[int, Load]:
    """Ask for that long, with each number of clients."""
    name = asyncio.run(topic.create(broker))
    for suffix in ("requests", "responses"):
        asyncio.run(topic.create(broker, name=f"{name}-{suffix}"))
    with contestant.running(broker, name) as app:
        url = f"{app.url}/echo"
        requests(url, connections=max(CLIENTS), seconds=WARM_UP, script=BODY)
        return {clients: requests(url, connections=clients, seconds=seconds, script=BODY) for clients in CLIENTS}


def compare(broker: str, seconds: int) -> None:
    """Measure everybody and print it."""
    loads = {contestant.name: measure(contestant, broker, seconds) for contestant in contestants()}
    for clients in CLIENTS:
        for name, by_clients in loads.items():
            load = by_clients[clients]
            print(
                f"{name:10} {load.rate:8.0f} round trips/s, {clients:2} clients   p50 {load.p50:7.2f} ms"
                f"   p99 {load.p99:7.2f} ms   failed {load.failed}"
            )
        print_ratio("round trips/s", {name: by_clients[clients].rate for name, by_clients in loads.items()})
        print_ratio(
            "less p99", {name: by_clients[clients].p99 for name, by_clients in loads.items()}, less_is_better=True
        )


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    with RealBroker() as kafka:
        compare(kafka.address, parser.parse_args().seconds)


if __name__ == "__main__":
    main()
