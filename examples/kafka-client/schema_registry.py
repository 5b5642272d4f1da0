"""Values of Avro with a schema registry; SCHEMA_REGISTRY_URL names it, `mock://` is one in memory."""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass

from settings import BROKERS, ENGINE

from pywatt_kafka import Consumer, Deserializers, Producer, Serializers, String
from pywatt_kafka.serde.registry import Avro, SchemaRegistry

SCHEMA = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "long"}, {"name": "total", "type": "double"}],
}


@dataclass
class Order:
    """The value of a record."""

    id: int
    total: float


async def main() -> None:
    """Send an order, and read it back."""
    registry = SchemaRegistry(os.environ.get("SCHEMA_REGISTRY_URL", "mock://here"))
    order = Avro(registry, json.dumps(SCHEMA), Order)
    serializers = Serializers(key=String(), value=order)
    deserializers = Deserializers(key=String(), value=order)
    async with (
        Producer(BROKERS, serializers=serializers, engine=ENGINE) as producer,
        Consumer("avro-group", BROKERS, topics=["orders"], deserializers=deserializers, engine=ENGINE) as consumer,
    ):
        position = await producer.send("orders", Order(7, 12.5), key="customer-7")
        stream = await consumer.consume(mode="earliest")
        async for message in stream:
            if (message.partition, message.offset) == (position.partition, position.offset):
                print("Received:", message.value, flush=True)
                return


if __name__ == "__main__":
    asyncio.run(main())
