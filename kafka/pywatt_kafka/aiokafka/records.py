"""Converts aiokafka's records into messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pywatt_kafka.records import NO_TIMESTAMP, Message, TopicPartition


def message_from(record: Any) -> Message:
    """Return the Message of a ConsumerRecord."""
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        NO_TIMESTAMP if record.timestamp is None else record.timestamp,
    )


def batches_from(found: Mapping[Any, Sequence[Any]]) -> dict[TopicPartition, list[Message]]:
    """Return the Messages of each partition's ConsumerRecords, without a Python call per record."""
    new = tuple.__new__
    return {
        TopicPartition(topic, partition): [
            new(
                Message,
                (
                    topic,
                    partition,
                    each.offset,
                    each.key,
                    each.value,
                    tuple(each.headers),
                    NO_TIMESTAMP if (timestamp := each.timestamp) is None else timestamp,
                ),
            )
            for each in records
        ]
        for (topic, partition), records in found.items()
    }


def native(partition: TopicPartition) -> Any:
    """Return aiokafka's form of a partition."""
    from aiokafka import TopicPartition as Native

    return Native(*partition)
