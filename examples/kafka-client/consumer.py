"""The consumer of the document; consumer_in_python.py is the same in Python's manner."""

from __future__ import annotations

import asyncio

from settings import BROKERS, ENGINE

from pywatt_kafka import Consumer, string_deserializers


async def main() -> None:
    """Print the values of a topic, and commit each."""
    consumer = Consumer(
        group_id="my-consumer-group", bootstrap_brokers=BROKERS, deserializers=string_deserializers, engine=ENGINE
    )
    await consumer.connect()
    stream = await consumer.consume(topics=["my-topic"])
    try:
        async for message in stream:
            print("Received:", message.value, flush=True)
            await message.commit()
    finally:
        await consumer.close()  # after Ctrl-C, others get its partitions at once


if __name__ == "__main__":
    asyncio.run(main())
