"""The native client of the document (`@platformatic/rdkafka`): the same classes on librdkafka, by one word."""

from __future__ import annotations

import asyncio

from settings import BROKERS

from pywatt_kafka import Consumer, Producer, string_deserializers, string_serializers


async def main() -> None:
    """Send a record through librdkafka, and read it back."""
    async with (
        Producer(BROKERS, serializers=string_serializers, engine="rdkafka") as producer,
        Consumer(
            "rdkafka-group", BROKERS, topics=["native"], deserializers=string_deserializers, engine="rdkafka"
        ) as consumer,
    ):
        position = await producer.send("native", "from librdkafka", key="k")
        async for message in consumer:
            await message.commit()
            if (message.partition, message.offset) == (position.partition, position.offset):
                print("Received:", message.value, flush=True)
                return


if __name__ == "__main__":
    asyncio.run(main())
