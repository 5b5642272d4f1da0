"""Reading chosen partitions without a group."""

from __future__ import annotations

import anyio
import pytest

from pywatt_kafka import Admin, NewTopic, Producer, TopicPartition
from pywatt_kafka.consuming.without_group import partition_reader
from pywatt_kafka.consuming.without_group.partition_reader import PartitionReader

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds


async def test_new_partitions_are_read_from_their_first_record_on(
    broker: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partition_reader, "METADATA_AGE", 100)
    async with Admin(broker) as admin, Producer(broker) as producer:
        await admin.create_topics([NewTopic(topic, partitions=2)])
        for partition in (0, 1):
            await producer.send(topic, b"before", partition=partition)
        starts = {TopicPartition(topic, 0): 1, TopicPartition(topic, 1): 1}
        seen: list[tuple[int, int, bytes | None]] = []
        async with PartitionReader(broker, starts, with_new_partitions=True) as reader:
            reader.leave(TopicPartition(topic, 1))
            await admin.create_partitions(topic, 3)
            async with Producer(broker) as later:
                await later.send(topic, b"new", partition=2)
                await later.send(topic, b"old", partition=0)
                await later.send(topic, b"left", partition=1)
            with anyio.fail_after(LONG):
                while len(seen) < 2:
                    seen += [(each.partition, each.offset, each.value) for each in await reader.fetch()]
            assert await reader.positions() == {TopicPartition(topic, 0): 2, TopicPartition(topic, 2): 1}
    assert sorted(seen) == [(0, 1, b"old"), (2, 0, b"new")]
