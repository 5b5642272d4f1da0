"""Records that are written and read, their positions, and committed offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

Header: TypeAlias = tuple[str, bytes | None]
Headers: TypeAlias = Sequence[Header]

NO_TIMESTAMP = -1
"""Kafka's timestamp of a record without one; libraries return None or 0 for some."""


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class RecordPosition(NamedTuple):
    """The position of a written record."""

    topic: str
    partition: int
    offset: int


class OutgoingRecord(NamedTuple):
    """A record to write."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: list[Header]
    partition: int | None
    """None: the hash of the key chooses it; without a key, it is random."""
    timestamp: int | None
    """Milliseconds since 1970 (UTC); None: the time of writing."""
    placed_by: bytes | None = None
    """Hashed instead of the key to choose the partition; not part of the record."""


class Unstable(NamedTuple):
    """The range of a partition that an open transaction hides from readers of committed records."""

    begin: int
    """The first offset of the oldest open transaction: reading goes no further (Kafka's last stable offset)."""
    end: int
    """The offset after the last record."""


@dataclass(frozen=True, slots=True)
class Offset:
    """A committed position: the offset of the next record to read, with metadata."""

    offset: int
    metadata: str = ""
    """At most 4,096 bytes (the broker's `offset.metadata.max.bytes`)."""


class Message(NamedTuple):
    """A record that was read; a tuple, as it is made for every record."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    """None is a tombstone, not an empty value."""
    headers: tuple[Header, ...]
    timestamp: int
    """Milliseconds since 1970 (UTC); -1: the record has none."""
