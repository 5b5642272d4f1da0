"""The items of a consumer's stream."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from itertools import repeat
from operator import add
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from pywatt_kafka.consuming.assigned_partition import HELD, LOST, AssignedPartition
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.rdkafka.native_messages import NativeFields, NativeMessages, Stored
from pywatt_kafka.records import Header, Message, Offset, TopicPartition

K = TypeVar("K")
V = TypeVar("V")


class StreamMessage(NamedTuple, Generic[K, V]):
    """A record of a stream; a tuple, as it is made for every record."""

    topic: str
    partition: int
    offset: int
    key: K
    value: V
    """As the deserializer returns it. Without one: bytes, or None for a tombstone."""
    headers: tuple[Header, ...]
    timestamp: int
    """Milliseconds since 1970 (UTC); -1: the record has none."""
    assigned: AssignedPartition
    """The assignment that it was read in."""

    def commit(self) -> Coroutine[Any, Any, None]:
        """Commit this record and all before it in its partition; commits of several tasks travel in one request.

        A commit below an earlier one does nothing, unless `seek` went back. During a rebalance it waits until the
        partition is assigned again. Raises CommitFailed when the partition is another member's, which reads the
        uncommitted records again, and KafkaUnavailable when no broker answers.
        """
        return self.assigned.commits.commit(self.assigned, Offset(self.offset + 1))

    @property
    def revoked(self) -> bool:
        """True while the partition is not this member's: a rebalance is under way, or another member has it."""
        return self.assigned.tenure is not HELD

    @property
    def lost(self) -> bool:
        """True once another member has the partition, and reads this record again unless it was committed."""
        return self.assigned.tenure is LOST

    @property
    def reader(self) -> GroupReader:
        """The member of the group that has read it: `Producer.transaction` commits in its name."""
        return self.assigned.commits.reader

    @property
    def topic_partition(self) -> TopicPartition:
        """The record's topic and partition."""
        return self.assigned.place

    def __repr__(self) -> str:
        return (
            f"StreamMessage(topic={self.topic!r}, partition={self.partition}, offset={self.offset}, key={self.key!r}, "
            f"value={self.value!r}, headers={self.headers!r}, timestamp={self.timestamp})"
        )


class _FromFields(tuple[Any, ...]):
    __slots__ = ()
    __new__ = tuple.__new__  # not the named tuple's, which is Python


class _Item(_FromFields, StreamMessage[Any, Any]):
    """A StreamMessage that is made from one tuple with its fields."""

    __slots__ = ()


class _NativeItem(NativeFields, StreamMessage[Any, Any]):  # type: ignore[misc]
    """A StreamMessage of a native record of librdkafka."""

    __slots__ = ()
    assigned: AssignedPartition = Stored.extra  # pyright: ignore[reportIncompatibleVariableOverride]


def items_of(messages: Sequence[Message], partition: AssignedPartition) -> Iterator[StreamMessage[Any, Any]]:
    """Return the items of records whose keys and values stay bytes; made in C, which halves the cost of iterating."""
    if isinstance(messages, NativeMessages):
        return messages.extended(_NativeItem, partition)
    fields: Any = map(add, messages, repeat((partition,)))  # pyright: ignore[reportArgumentType]
    return map(_Item, fields)


Record: TypeAlias = Message | StreamMessage[Any, Any]
"""A record whose key and value are bytes."""


def message_of(record: Record) -> Message:
    """Return a record without its assignment."""
    return record if isinstance(record, Message) else Message(*record[:-1])
