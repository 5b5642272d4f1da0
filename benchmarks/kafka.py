"""Runs all Kafka benchmarks for one table: webhooks, publishing, round trips, records lost per kill.

python -m benchmarks.kafka [--seconds N] [--turns N] [--kills N]

With ORIGINAL_APP (see benchmarks/original) the original is measured beside pywatt, on the same broker.
"""

from __future__ import annotations

import argparse
import signal

from benchmarks import losses, publish, roundtrip, webhooks
from benchmarks.contestants import print_python
from benchmarks.load import SECONDS
from pywatt_kafka.brokers.apache import RealBroker


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    parser.add_argument("--turns", type=int, default=webhooks.TURNS)
    parser.add_argument("--kills", type=int, default=1)
    options = parser.parse_args()
    print_python()
    with RealBroker() as kafka:
        for partitions in webhooks.PARTITIONS:
            webhooks.compare(kafka.address, partitions, options.turns)
        publish.compare(kafka.address, options.seconds)
        roundtrip.compare(kafka.address, options.seconds)
        for number in (signal.SIGKILL, signal.SIGTERM):
            losses.compare(kafka.address, losses.RECORDS, options.kills, number)


if __name__ == "__main__":
    main()
