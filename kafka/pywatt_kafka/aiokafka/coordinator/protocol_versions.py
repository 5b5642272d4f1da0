"""Asks brokers which requests they know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pywatt_kafka.aiokafka.client import bootstrap_errors

CONSUMER_GROUP_HEARTBEAT = 68
"""The request of the group protocol `consumer` (KIP-848)."""


async def knows_request(brokers: tuple[str, ...], security: Mapping[str, Any], key: int) -> bool:
    """Return whether the first broker that answers knows the request with this key. Raises KafkaError."""
    from aiokafka.client import AIOKafkaClient

    client: Any = AIOKafkaClient(bootstrap_servers=",".join(brokers), **security)
    try:
        with bootstrap_errors(brokers):
            await client.bootstrap()
            connection = await client._get_conn(client.get_random_node())
        return connection is not None and key in connection._versions
    finally:
        await client.close()
