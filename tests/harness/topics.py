"""Topics with settings of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

SMALL = {"max.message.bytes": "1000"}
COMPACTED = {"cleanup.policy": "compact"}
UNWRITABLE = {"min.insync.replicas": "2"}
"""On a broker that has no other beside it."""


async def create_topic(broker: str, topic: str, settings: Mapping[str, str], partitions: int = 1) -> None:
    """Create a topic."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
    finally:
        await admin.close()


async def set_topic(broker: str, topic: str, settings: Mapping[str, str]) -> None:
    """Replace the settings of a topic."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=settings)])
    finally:
        await admin.close()
