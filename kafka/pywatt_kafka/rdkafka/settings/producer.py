"""Makes the settings of a confluent-kafka Producer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pywatt_kafka.engine.settings import ProducerSettings
from pywatt_kafka.rdkafka.settings.client import client_settings
from pywatt_kafka.rdkafka.settings.options import check, merged
from pywatt_kafka.security.options import Security

QUEUED_RECORDS = 1_000_000
KIBIBYTE = 1024

KEYWORDS = {
    "acks": "acks",
    "request.required.acks": "acks",
    "enable.idempotence": "idempotent",
    "linger.ms": "linger_ms",
    "queue.buffering.max.ms": "linger_ms",
    "compression.type": "compression",
    "compression.codec": "compression",
    "queue.buffering.max.kbytes": "buffer_bytes",
    "message.max.bytes": "max_request_bytes",
    "message.timeout.ms": "request_timeout",
    "delivery.timeout.ms": "request_timeout",
    "transactional.id": "transactional_id",
}
"""The keyword of this library for each option that has one."""
RESERVED = {"delivery.report.only.error"}
"""Options that this library must set."""


def producer_settings(brokers: Sequence[str], given: ProducerSettings, security: Security) -> dict[str, Any]:
    """Return the settings of a producer. Raises KafkaError for options that it cannot have."""
    settings = {
        **client_settings(brokers, given.client_id, security),
        "acks": str(given.acks),
        "enable.idempotence": given.idempotent,
        "linger.ms": given.linger_ms,
        "compression.type": given.compression or "none",
        "batch.size": given.batch_bytes,
        "message.max.bytes": given.max_request_bytes,
        "message.timeout.ms": int(given.request_timeout * 1000),
        "queue.buffering.max.messages": QUEUED_RECORDS,
        "queue.buffering.max.kbytes": max(1, given.buffer_bytes // KIBIBYTE),
        "partitioner": "murmur2_random",  # as Kafka's own clients; records without a key are spread
    }
    return merged(settings, given.options, keywords=KEYWORDS, reserved=RESERVED)


def check_producer_options(brokers: Sequence[str], given: ProducerSettings, security: Security) -> None:
    """Let librdkafka check the options of a producer. Raises KafkaError."""
    from confluent_kafka.cimpl import Producer

    check(Producer, producer_settings(brokers, given, security))
