"""Converts between confluent-kafka's records and partitions and those of this library."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from pywatt_kafka.rdkafka.native_messages import NativeMessages, headers_of, native_class
from pywatt_kafka.records import NO_TIMESTAMP, Message, TopicPartition

RECORD_BYTES = 16 * 1024
"""Size of a value up to which a record counts as one in the limits of reading ahead."""


def faulty(records: Sequence[Any]) -> bool:
    """Return whether events are among the records."""
    return any(map(native_class().error, records))  # without a comparison: that of its errors leaves an exception


def by_partition(
    records: list[Any], owned: frozenset[TopicPartition] = frozenset(), weight: int = 1
) -> dict[TopicPartition, NativeMessages]:
    """Return the messages of each partition, in their order, of records none of which is an event.

    `owned`: the assigned partitions. With a single one, or a single topic, it is not asked of each record. `weight`: of
    each record.
    """
    first, last = records[0], records[-1]
    topic = first.topic()
    is_alone = topic == last.topic() == _only_topic(owned)
    if is_alone and len(owned) == 1:
        (only,) = owned
        if only.partition == first.partition() == last.partition():
            return {only: NativeMessages(only.topic, records, weight)}
    native = native_class()
    partitions = list(map(native.partition, records))
    topics = [] if is_alone else list(map(native.topic, records))
    partition = partitions[0]
    if partitions.count(partition) == len(records) and (is_alone or topics.count(topic) == len(records)):
        return {TopicPartition(topic, partition): NativeMessages(topic, records, weight)}
    batches: dict[TopicPartition, list[Any]] = {}
    at = 0
    for _, run in groupby(partitions if is_alone else zip(topics, partitions, strict=True)):
        end = at + len(list(run))
        place = TopicPartition(topic if is_alone else topics[at], partitions[at])
        batches.setdefault(place, []).extend(records[at:end])
        at = end
    return {place: NativeMessages(place.topic, found, weight) for place, found in batches.items()}


@lru_cache(maxsize=8)
def _only_topic(owned: frozenset[TopicPartition]) -> str | None:
    """Return the topic of all these partitions, if there is just one."""
    topics = {place.topic for place in owned}
    return topics.pop() if len(topics) == 1 else None


def weight_of(records: list[Any]) -> int:
    """Return how many ordinary records each of these counts as: one for each RECORD_BYTES of the average value."""
    return 1 + sum(map(len, records)) // (RECORD_BYTES * len(records))


def message_from(record: Any) -> Message:
    """Return the message of a record that is no event."""
    kind, milliseconds = record.timestamp()
    return Message(
        record.topic(),
        record.partition(),
        record.offset(),
        record.key(),
        record.value(),
        headers_of(record),
        milliseconds if kind else NO_TIMESTAMP,
    )


def native(partition: TopicPartition, offset: int | None = None, metadata: str | None = None) -> Any:
    """Return confluent-kafka's form of a partition, with an offset and metadata if given."""
    from confluent_kafka import TopicPartition as Native

    if offset is None:
        return Native(*partition)
    return Native(*partition, offset) if metadata is None else Native(*partition, offset, metadata)
