"""Turns HTTP requests into records: an answer of success means that the brokers have acknowledged the record."""

from __future__ import annotations

import logging
from typing import Protocol

from pywatt_kafka.connection import ConnectionState, ConnectionStatus
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, RecordTooLarge, UnknownTopic
from pywatt_kafka.records import Headers, RecordPosition
from pywatt_services.kafka_hooks.answers import (
    ACCEPTED,
    HttpAnswer,
    bad_request,
    no_topic,
    refused,
    too_large,
    unavailable,
)
from pywatt_services.kafka_hooks.headers import RawHeaders, key_of, record_headers

logger = logging.getLogger("pywatt.kafka_hooks")


class RecordWriter(Protocol):
    """What writes records; raises KafkaError."""

    @property
    def status(self) -> ConnectionStatus: ...

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, headers: Headers = ()
    ) -> RecordPosition: ...


class Publisher:
    """Writes records for HTTP clients, who get a quick 503 while Kafka is away."""

    def __init__(self, writer: RecordWriter, topics: frozenset[str]) -> None:
        """`topics`: those that clients may publish to."""
        self._writer = writer
        self._topics = topics

    async def publish(self, topic: str, headers: RawHeaders, body: bytes) -> HttpAnswer:
        """Write a client's request to a topic."""
        if topic not in self._topics:
            return no_topic(topic)
        try:
            key = key_of(headers)
        except ValueError as error:
            return bad_request(str(error))
        return await self.write(topic, body, key, record_headers(headers)) or ACCEPTED

    async def write(self, topic: str, body: bytes, key: bytes | None, headers: Headers) -> HttpAnswer | None:
        """Write one record; return None once it is acknowledged, else the answer that says why it is not.

        An empty body becomes a record without a value, as in the original, if there is a key (Kafka's tombstone).
        """
        status = self._writer.status
        if status.state is ConnectionState.AWAY:
            return unavailable(f"Kafka is away: {status.reason}")
        try:
            await self._writer.send(topic, None if not body and key is not None else body, key=key, headers=headers)
        except RecordTooLarge:
            return too_large()
        except (KafkaUnavailable, UnknownTopic) as error:
            return unavailable(f"Kafka is away: {error.message}")
        except KafkaError as error:
            logger.error("a request could not be written to topic %s: %s", topic, error)
            return refused(error.message)
        return None
