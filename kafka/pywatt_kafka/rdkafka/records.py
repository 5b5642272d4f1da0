"""Converts confluent-kafka's records into messages."""

from __future__ import annotations

import ctypes
from typing import Any

from pywatt_kafka.records import NO_TIMESTAMP, Header, Message, TopicPartition

_raise_pending = ctypes.pythonapi.PyErr_Occurred
"""Raises a pending exception, because ctypes looks for an exception after each call into Python itself."""
_raise_pending.restype = ctypes.c_void_p


def message_from(record: Any) -> Message:
    """Return the Message of one of confluent-kafka's records."""
    kind, timestamp = record.timestamp()
    return Message(
        record.topic(),
        record.partition(),
        record.offset(),
        record.key(),
        record.value(),
        _headers(record),
        timestamp if kind else NO_TIMESTAMP,  # 0: not available
    )


def _headers(record: Any) -> tuple[Header, ...]:
    """Return a record's headers; none of them when the name of one is not UTF-8.

    confluent_kafka then makes tuples with holes, whose use ends the process, and leaves an exception pending, which
    Python raises only by chance: it must be raised before the tuples are used.
    """
    found = record.headers()
    if not found:
        return ()
    try:
        _raise_pending()
    except (SystemError, UnicodeDecodeError):
        return ()
    return tuple(found)


def native(partition: TopicPartition, offset: int | None = None, metadata: str | None = None) -> Any:
    """Return confluent-kafka's form of a partition, with an offset and metadata if given."""
    from confluent_kafka import TopicPartition as Native

    if offset is None:
        return Native(*partition)
    return Native(*partition, offset) if metadata is None else Native(*partition, offset, metadata)
