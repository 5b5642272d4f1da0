"""A service that is a consumer: its messages are the lag that the app's /health reports."""

from __future__ import annotations

from pywatt_kafka import Consumer, string_deserializers


async def main() -> None:
    """Print the values of a topic, and commit each; the brokers come from KAFKA_BROKERS."""
    async with Consumer("my-consumer-group", topics=["my-topic"], deserializers=string_deserializers) as consumer:
        async for message in consumer:
            print("Received:", message.value)
            await message.commit()
