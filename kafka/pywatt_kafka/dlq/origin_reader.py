"""Reads a record from its original topic, for a letter that lacks it because the whole was too large."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.records import message_from
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer, complete_shielded
from pywatt_kafka.dlq.dead_letter import DeadLetter
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import Message
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

POLL = 1.0  # seconds
QUIET_POLLS = 5  # polls without a record, after which there is none
ROUNDING = 1  # milliseconds lost in a letter's timestamp


class OriginReader:
    """Reads single records; made by `open_origin`."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    async def record_of(self, letter: DeadLetter) -> Message:
        """Return the record of a letter. Raises KafkaError with the reason when it cannot be read."""
        if letter.origin_partition is None or letter.origin_offset is None:
            raise KafkaError("the letter lacks the record, which was too large, and does not say where it is")
        place = f"{letter.topic}[{letter.origin_partition}]@{letter.origin_offset}"
        with translated(f"reading {place}"):
            found = await self._read(letter.topic, letter.origin_partition, letter.origin_offset)
        if found is None or (letter.origin_time and abs(found.timestamp - letter.origin_time) > ROUNDING):
            raise KafkaError(
                f"the letter lacks the record, which was too large, and {place} is gone: deleted (by its age or by "
                "compaction), or the topic was made anew"
            )
        return found

    async def _read(self, topic: str, partition: int, offset: int) -> Message | None:
        from aiokafka import TopicPartition as Native

        consumer = self._consumer
        if topic not in await consumer.topics():
            return None
        await consumer._client.set_topics([topic])
        if partition not in (consumer.partitions_for_topic(topic) or ()):
            return None
        place = Native(topic, partition)
        starts, ends = await consumer.beginning_offsets([place]), await consumer.end_offsets([place])
        if not starts[place] <= offset < ends[place]:
            return None
        consumer.assign([place])
        consumer.seek(place, offset)
        for _ in range(QUIET_POLLS):
            for records in (await consumer.getmany(place, timeout_ms=int(POLL * 1000), max_records=1)).values():
                return message_from(records[0]) if records[0].offset == offset else None
        return None


@asynccontextmanager
async def open_origin(addresses: Sequence[str], security: Security | None) -> AsyncIterator[OriginReader]:
    """Connect. Raises KafkaError."""
    require_aiokafka()
    from aiokafka import AIOKafkaConsumer

    consumer: Any = AIOKafkaConsumer(
        auto_offset_reset="earliest",
        **client_settings(addresses, security_from(security, os.environ)),
    )
    sockets = Sockets(consumer._client)
    try:
        with bootstrap_errors(tuple(addresses)):
            await sockets.open(consumer.start())
        yield OriginReader(consumer)
    finally:
        await complete_shielded(close_consumer(consumer, sockets))
