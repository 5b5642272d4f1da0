"""Creates topics with specific settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

SMALL = {"max.message.bytes": "1000"}
COMPACTED = {"cleanup.policy": "compact"}


async def create_topic(broker: str, topic: str, settings: Mapping[str, str], partitions: int = 1) -> None:
    """Create a topic."""
    admin: Any = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=settings)])
    finally:
        await admin.close()
