"""Tells whether brokers have share groups."""

from __future__ import annotations

from pywatt_kafka.aiokafka.client import broker_apis
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.security.options import Security

SHARE_GROUP_HEARTBEAT = 76  # number of that request


async def check_share_groups(brokers: tuple[str, ...], security: Security) -> None:
    """Raise KafkaError when the brokers have no share groups: librdkafka would wait without end."""
    if SHARE_GROUP_HEARTBEAT not in await broker_apis(brokers, security):
        raise KafkaError(
            f"the brokers at {','.join(brokers)} have no share groups: they are older than Kafka 4.1",
            hint="use Kafka 4.2 with the feature share.version on (its default): "
            "kafka-features upgrade --feature share.version=1",
            code="UNSUPPORTED_VERSION",
        )
