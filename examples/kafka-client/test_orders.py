"""A test of an application, with a Kafka broker in memory: `pytest examples/kafka-client`."""

from __future__ import annotations

import asyncio

from pywatt_kafka import Consumer, Producer, json_deserializers, json_serializers
from pywatt_kafka.testing import broker


async def total_of_orders(brokers: str, count: int) -> int:
    """Return the sum of the totals of so many orders: the code under test."""
    total = 0
    async with Consumer("billing", brokers, topics=["orders"], deserializers=json_deserializers) as consumer:
        async for message in consumer:
            total += message.value["total"]
            await message.commit()
            count -= 1
            if count == 0:
                break
    return total


async def place_and_count(brokers: str) -> int:
    """Place two orders, and return their total."""
    async with Producer(brokers, serializers=json_serializers) as producer:
        await producer.send("orders", {"total": 30}, key="customer-7")
        await producer.send("orders", {"total": 12}, key="customer-8")
    return await total_of_orders(brokers, 2)


def test_orders_are_counted() -> None:
    """No Java and no running Kafka is needed."""
    with broker() as kafka:
        kafka.create_topic("orders", partitions=3)
        assert asyncio.run(place_and_count(kafka.address)) == 42
