"""A worker as kafka-hooks is one, from code: many records at a time, each key in order, retries, dead letters."""

from __future__ import annotations

import asyncio
from typing import Any

from settings import BROKERS, ENGINE

from pywatt_kafka import Consumer, StreamMessage, json_deserializers


async def handle(message: StreamMessage[str | None, Any]) -> None:
    """Handle one record; what it raises is tried again, and then makes a dead letter."""
    if message.value["total"] < 0:
        raise ValueError("an order has no negative total")
    print(f"Handled: {message.key} {message.value['total']}", flush=True)


async def main() -> None:
    """Handle the records of a topic until the program is ended."""
    async with Consumer("my-worker-group", BROKERS, deserializers=json_deserializers, engine=ENGINE) as consumer:
        stream = await consumer.consume(topics=["work"])
        await stream.process(handle, concurrency=50, order="key", retries=2, retry_delay=0.1, dlq="work-dlq")


if __name__ == "__main__":
    asyncio.run(main())
