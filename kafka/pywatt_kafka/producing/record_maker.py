"""Makes records of bytes from what a caller wants to send."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

from pywatt_kafka.errors import InvalidRecord
from pywatt_kafka.producing.record_fields import (
    LARGEST_PARTITION,
    LATEST_TIMESTAMP,
    HeadersToSend,
    check_fields,
    check_number,
    headers_from,
)
from pywatt_kafka.records import OutgoingRecord
from pywatt_kafka.serde.conversion import KeyAndValue, to_bytes
from pywatt_kafka.serde.serializers import Serializers, bytes_serializers

outgoing_record = partial(tuple.__new__, OutgoingRecord)
"""Makes an OutgoingRecord without its constructor, which is a call into Python."""


_has_simple_fields_only = frozenset({"topic", "value", "key"}).issuperset


class RecordMaker:
    """Checks the fields of records, and serializes their keys and values."""

    def __init__(self, serializers: Serializers[Any, Any]) -> None:
        self._serializers = serializers
        self._takes_bytes = serializers is bytes_serializers

    def make(
        self,
        topic: str,
        value: Any,
        key: Any,
        headers: HeadersToSend,
        partition: int | None,
        timestamp: int | None,
        placed_by: bytes | None,
    ) -> OutgoingRecord | Awaitable[OutgoingRecord]:
        """Return the checked record, an awaitable one with async serializers. Raises KafkaError."""
        if topic.__class__ is not str:
            raise InvalidRecord(f"the topic must be a str, not {type(topic).__name__}")
        listed = headers_from(headers, topic) if headers else []
        if partition is not None:
            check_number(partition, topic, "partition", LARGEST_PARTITION)
        if timestamp is not None:
            check_number(timestamp, topic, "timestamp", LATEST_TIMESTAMP)
        if not self._takes_bytes or value.__class__ is not bytes or not (key is None or key.__class__ is bytes):
            converted = to_bytes(self._serializers, topic, key, value)
            if not isinstance(converted, tuple):
                return _awaited(converted, topic, listed, partition, timestamp, placed_by)
            key, value = converted
            if value is None and key is None:
                raise empty(topic)
        made: OutgoingRecord = outgoing_record((topic, value, key, listed, partition, timestamp, placed_by))
        return made

    def make_from(self, message: Mapping[str, Any]) -> OutgoingRecord | Awaitable[OutgoingRecord]:
        """Return the record of a message of `send(messages=[...])`. Raises KafkaError."""
        if message.__class__ is dict and _has_simple_fields_only(message) and self._takes_bytes:
            topic, value, key = message.get("topic"), message.get("value"), message.get("key")
            if topic.__class__ is str and value.__class__ is bytes and (key is None or key.__class__ is bytes):
                made: OutgoingRecord = outgoing_record((topic, value, key, [], None, None, None))
                return made
        check_fields(message)
        get = message.get
        return self.make(
            message["topic"], get("value"), get("key"), get("headers") or (), get("partition"), get("timestamp"), None
        )


def empty(topic: str) -> InvalidRecord:
    """Return the error of a record with neither key nor value."""
    return InvalidRecord(f"topic {topic}: a record needs a value or a key")


async def _awaited(converted: Awaitable[KeyAndValue], topic: str, *rest: Any) -> OutgoingRecord:
    key, value = await converted
    if value is None and key is None:
        raise empty(topic)
    return OutgoingRecord(topic, value, key, *rest)
