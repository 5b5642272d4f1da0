"""The event-based consumer of the document, and the same in Python's manner, with decorators."""

from __future__ import annotations

import asyncio
import sys

from settings import BROKERS, ENGINE

from pywatt_kafka import Consumer, KafkaError, StreamMessage, string_deserializers

Text = StreamMessage[str | None, str | None]


async def as_in_the_document() -> None:
    """Give the handlers to `on`."""
    consumer = Consumer(
        group_id="my-event-group", bootstrap_brokers=BROKERS, deserializers=string_deserializers, engine=ENGINE
    )
    await consumer.connect()
    stream = await consumer.consume(topics=["my-topic"])

    async def on_data(message: Text) -> None:
        print("Received:", message.value, flush=True)
        await message.commit()

    stream.on("data", on_data)
    stream.on("error", lambda error: print("Consumer error:", error, file=sys.stderr))
    try:
        await stream.wait_closed()
    finally:
        await consumer.close()  # after Ctrl-C, others get its partitions at once


async def in_python() -> None:
    """Decorate the handlers, and leave the group at the end; the environment names the group and the brokers."""
    async with Consumer(deserializers=string_deserializers, engine=ENGINE) as consumer:
        stream = await consumer.consume(topics=["my-topic"])

        @stream.on("data")
        async def received(message: Text) -> None:
            print("Received:", message.value, flush=True)
            await message.commit()

        @stream.on("error")
        def failed(error: KafkaError) -> None:
            print("Consumer error:", error, file=sys.stderr)

        await stream.wait_closed()


if __name__ == "__main__":
    asyncio.run(in_python() if sys.argv[1:] == ["--in-python"] else as_in_the_document())
