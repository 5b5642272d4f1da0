"""Settings that all of confluent-kafka's clients share."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.engine.settings import METADATA_AGE
from pywatt_kafka.rdkafka.settings.security import security_settings
from pywatt_kafka.security.options import Security

SOCKET_TIMEOUT = 10_000  # ms
MESSAGE_BYTES = 1_000_000  # librdkafka's default
CHECK_LIMIT = 4.0  # seconds to answer with metadata

logger = logging.getLogger("rdkafka")


def client_settings(brokers: Sequence[str], client_id: str, security: Security) -> dict[str, Any]:
    """Return the settings that all clients share."""
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL + 1)  # it logs every failed attempt; the status says the same once
    return {
        "bootstrap.servers": ",".join(brokers),
        "client.id": client_id,
        "logger": logger,
        "socket.timeout.ms": SOCKET_TIMEOUT,
        "topic.metadata.refresh.interval.ms": METADATA_AGE,
        "reconnect.backoff.max.ms": 1000,
        **security_settings(security),
    }


def fetch_settings(fetching: Fetching) -> dict[str, Any]:
    """Return the fetch settings of a confluent_kafka.Consumer."""
    return {
        "isolation.level": fetching.isolation.value,
        "fetch.min.bytes": fetching.min_bytes,
        "fetch.max.bytes": fetching.max_bytes,
        "message.max.bytes": min(MESSAGE_BYTES, fetching.max_bytes),  # librdkafka requires it to be no larger
        "max.partition.fetch.bytes": fetching.partition_bytes,
        "fetch.wait.max.ms": fetching.wait_ms,
    }
