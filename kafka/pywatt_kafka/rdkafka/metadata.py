"""Asks for the topics of the cluster, and gives up at once when the brokers refuse this client for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from pywatt_kafka.connection.cluster_ids import note_cluster
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.settings.client import CHECK_LIMIT

FIRST_LIMIT = 0.25  # seconds of the first request, doubled each time, as none of them can be interrupted
REPORT_PAUSE = 0.05  # seconds in which a poll may tell why a request was not answered


async def topics_of_cluster(ask: Callable[[float], Awaitable[Any]], health: ClientHealth) -> Any:
    """Return librdkafka's metadata. `ask` requests it with a limit in seconds. Raises KafkaError."""
    from confluent_kafka import KafkaException

    limit, left = FIRST_LIMIT, CHECK_LIMIT
    while True:
        try:
            metadata = await ask(min(limit, left))
        except KafkaException as error:
            left -= limit
            limit *= 2
            await asyncio.sleep(REPORT_PAUSE)
            if health.refusal is not None or left <= 0:
                raise health.unreachable() from error
        else:
            health.answered()
            note_cluster(health.brokers, metadata.cluster_id)
            return metadata
