"""Asks brokers which group protocols they serve."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pywatt_kafka.aiokafka.client import bootstrap_errors
from pywatt_kafka.aiokafka.connect_errors import unreachable


async def serves_consumer_protocol(brokers: tuple[str, ...], security: Mapping[str, Any], group: str) -> bool:
    """Return whether the first broker that answers serves the group protocol `consumer`. Raises KafkaError."""
    from aiokafka.client import AIOKafkaClient

    from pywatt_kafka.aiokafka.coordinator import consumer_protocol

    client: Any = AIOKafkaClient(bootstrap_servers=",".join(brokers), **security)
    try:
        with bootstrap_errors(brokers):
            await client.bootstrap()
            connection = await client._get_conn(client.get_random_node())
            if connection is None:
                raise unreachable(brokers)
            return await consumer_protocol.serves(connection, group)
    finally:
        await client.close()
