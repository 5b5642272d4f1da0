"""Converts aiokafka's records into messages.

For consumers with `AS_MESSAGES` as key deserializer, it makes messages of fetched records directly: aiokafka makes an
object of its own for each, which costs twice as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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


def AS_MESSAGES(_key: bytes) -> bytes:  # noqa: N802  a mark, which aiokafka never calls
    """Mark a consumer whose records are messages."""
    raise NotImplementedError


def make_messages() -> None:
    """Let aiokafka make messages for the consumers that are marked."""
    from aiokafka.consumer import fetcher

    records: Any = fetcher.PartitionRecords
    unpack = records._unpack_records
    if getattr(unpack, "makes_messages", False):
        return

    def unpack_records(self: Any) -> Iterator[Any]:
        return _messages(self) if self._key_deserializer is AS_MESSAGES else unpack(self)

    unpack_records.makes_messages = True  # type: ignore[attr-defined]
    records._unpack_records = unpack_records


def _messages(fetched: Any) -> Iterator[Message]:
    """Yield the messages of a partition, as `PartitionRecords._unpack_records` yields records."""
    from aiokafka.consumer.fetcher import READ_COMMITTED
    from aiokafka.errors import CorruptRecordException

    topic, partition = fetched._tp
    committed_only = fetched._isolation_level == READ_COMMITTED
    batches, new = fetched._records, tuple.__new__
    while batches.has_next():
        batch = batches.next_batch()
        if fetched._check_crcs and not batch.validate_crc():
            raise CorruptRecordException(f"Invalid CRC - {fetched._tp}")
        if committed_only and batch.producer_id is not None and _is_aborted(fetched, batch):
            fetched.next_fetch_offset = batch.next_offset
            continue
        if batch.is_control_batch:
            fetched.next_fetch_offset = batch.next_offset
            continue
        for record in batch:
            offset = record.offset
            if offset < fetched.next_fetch_offset:
                continue
            timestamp = record.timestamp
            fetched.next_fetch_offset = offset + 1
            yield new(
                Message,
                (
                    topic,
                    partition,
                    offset,
                    record.key,
                    record.value,
                    tuple(record.headers),
                    NO_TIMESTAMP if timestamp is None else timestamp,
                ),
            )
        fetched.next_fetch_offset = batch.next_offset


def _is_aborted(fetched: Any, batch: Any) -> bool:
    """Return whether a batch belongs to an aborted transaction."""
    fetched._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and fetched._contains_abort_marker(batch):
        fetched._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional and batch.producer_id in fetched._aborted_producers)
