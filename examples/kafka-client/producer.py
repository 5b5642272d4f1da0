"""The producer of the document, and the same in Python's manner."""

from __future__ import annotations

import asyncio
import json

from settings import BROKERS, ENGINE

from pywatt_kafka import Producer, json_serializers, string_serializers


async def as_in_the_document() -> None:
    """Connect, send a list of messages, close."""
    producer = Producer(
        client_id="my-producer", bootstrap_brokers=BROKERS, serializers=string_serializers, engine=ENGINE
    )
    await producer.connect()
    [result] = await producer.send(
        messages=[{"topic": "events", "key": "user-123", "value": json.dumps({"name": "John", "action": "login"})}]
    )
    print("Sent:", result)
    await producer.close()


async def in_python() -> None:
    """Send a value with a context manager; many values with `enqueue`, which waits only for room."""
    async with Producer(client_id="my-producer", serializers=json_serializers, engine=ENGINE) as producer:
        position = await producer.send("events", {"name": "John", "action": "login"}, key="user-123")
        print(f"Sent: {position.topic}[{position.partition}] at offset {position.offset}")
        for number in range(1000):
            await producer.enqueue("events", {"number": number}, key=f"user-{number % 10}")
        await producer.flush()
        print("Flushed: 1000")


async def main() -> None:
    """Run both."""
    await as_in_the_document()
    await in_python()


if __name__ == "__main__":
    asyncio.run(main())
