"""HTTP publishing: `POST /topics/:topic` per second through the gateway, against aiokafka called directly.

python -m benchmarks.publish [--seconds N]
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from benchmarks import apps, topic
from benchmarks.load import SECONDS, Load, requests
from pywatt_kafka.brokers.real import RealBroker

APP = apps.ROOT / "benchmarks/app"
BODY = Path(__file__).with_suffix(".lua")
CONNECTIONS = 32


def measure(command: list[str], folder: Path, broker: str, seconds: int) -> Load:
    """Publish to a new topic for that long."""
    name = asyncio.run(topic.create(broker))
    with apps.running(command, folder, {"KAFKA_BROKERS": broker, "TOPIC": name}) as app:
        app.wait_for("/api/count")
        load = requests(f"{app.url}/topics/{name}", connections=CONNECTIONS, seconds=seconds, script=BODY)
        app.stop()
        return load


def main() -> None:
    """Measure pywatt and, when ORIGINAL_APP is set, the original; its consumer delivers meanwhile, as it would."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=SECONDS)
    seconds = parser.parse_args().seconds

    with RealBroker() as kafka:
        broker = kafka.address
        name = asyncio.run(topic.create(broker))
        direct = asyncio.run(topic.publish(broker, name, senders=CONNECTIONS, seconds=seconds))
        print(f"{'aiokafka':10} {direct:8.0f} records/s, {CONNECTIONS} senders, acks=all, idempotent")
        parties = {"pywatt": ([apps.PYWATT, "start", "-c", "watt.kafka.json"], APP)}
        if apps.ORIGINAL:
            parties["original"] = (apps.original_command(apps.ORIGINAL), Path(apps.ORIGINAL))
        for party, (command, folder) in parties.items():
            load = measure(command, folder, broker, seconds)
            print(
                f"{party:10} {load.rate:8.0f} posts/s   p50 {load.p50:7.2f} ms   p99 {load.p99:7.2f} ms"
                f"   failed {load.failed}   {load.rate / direct:5.0%} of aiokafka"
            )


if __name__ == "__main__":
    main()
