"""The lag of groups, measured from outside: against Kafka's own tool, with what nobody can work off.

The measurement has no engine; what members of each engine commit is in test_undeliverable.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import anyio
import pytest
from harness.kafka_tools import run_tool
from harness.undeliverable import delete_records, open_transaction, transaction

from pywatt_kafka import GroupReader, LagReader, Offset, Producer, TopicPartition, ensure_topics

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
TOOL = 240.0  # seconds; Kafka's tool starts a JVM, which takes long on a busy machine


async def fill(broker: str, topic: str, records: int, partition: int = 0) -> None:
    async with Producer(broker) as producer:
        for number in range(records):
            await producer.send(topic, b"%d" % number, partition=partition)


async def commit(broker: str, group: str, topic: str, offsets: Mapping[int, int]) -> None:
    async with GroupReader(broker, group=group, topics=[topic]) as reader:
        while not reader.assignment:
            await reader.fetch(timeout=0.1)
        await reader.commit({TopicPartition(topic, number): Offset(offset) for number, offset in offsets.items()})


async def kafkas_own_view(broker: str, group: str) -> dict[TopicPartition, int]:
    """Return the column LAG of kafka-consumer-groups."""
    shown = await run_tool(
        "consumer.group.ConsumerGroupCommand", "--bootstrap-server", broker, "--describe", "--group", group
    )
    rows = [line.split() for line in shown.splitlines() if line.startswith(group)]
    return {TopicPartition(row[1], int(row[2])): int(row[5]) for row in rows if row[5] != "-"}


async def test_agrees_with_kafka_consumer_groups(broker: str, topic: str) -> None:
    """Where every offset is a record that can be read, both count the same."""
    with anyio.fail_after(TOOL):
        await ensure_topics(broker, [topic], partitions=3)
        for partition, records in enumerate((50, 32, 0)):
            await fill(broker, topic, records, partition)
        await commit(broker, topic, topic, {0: 10, 1: 32})
        async with LagReader(broker) as reader:
            ours = (await reader.measure(topic)).partitions
        theirs = await kafkas_own_view(broker, topic)
        assert {place: each.records for place, each in ours.items()} == theirs
        assert theirs == {TopicPartition(topic, 0): 40, TopicPartition(topic, 1): 0}


async def test_agrees_with_kafka_consumer_groups_once_everything_is_worked_off(broker: str, topic: str) -> None:
    """Aborted transactions and deleted records: 0 for both, as the group commits past them; for us it is 0 before."""
    aborted, deleted = TopicPartition(topic, 0), TopicPartition(topic, 1)
    with anyio.fail_after(TOOL):
        await ensure_topics(broker, [topic], partitions=2)
        await transaction(broker, topic, 3, commit=True)
        await transaction(broker, topic, 1500, commit=False)
        await fill(broker, topic, 20, partition=1)
        await commit(broker, topic, topic, {0: 3, 1: 5})
        async with LagReader(broker) as reader:
            measured = (await reader.measure(topic)).partitions
            assert {place: each.records for place, each in measured.items()} == {aborted: 0, deleted: 15}
            await delete_records(broker, topic, 18, partition=1)
            assert (await reader.measure(topic)).partitions[deleted].records == 2
            await delete_records(broker, topic, 20, partition=1)
            assert (await reader.measure(topic)).partitions[deleted].records == 0
            async with GroupReader(broker, group=topic, topics=[topic]) as member:
                while member.positions() != {aborted: 1505, deleted: 20}:
                    assert not await member.fetch(timeout=0.1)
                await member.commit({place: Offset(offset) for place, offset in member.positions().items()})
            ours = (await reader.measure(topic)).partitions
        assert {place: each.records for place, each in ours.items()} == {aborted: 0, deleted: 0}
        assert await kafkas_own_view(broker, topic) == {aborted: 0, deleted: 0}


async def test_time_lag_is_the_age_of_the_first_record(broker: str, topic: str) -> None:
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        long_ago = int((time.time() - 1000) * 1000)
        async with Producer(broker) as producer:
            for age in range(10):
                await producer.send(topic, b"v", timestamp=long_ago + age * 1000)
        await commit(broker, topic, topic, {0: 4})
        async with LagReader(broker) as reader:
            measured = (await reader.measure(topic)).partitions[place]
            assert (measured.committed, measured.position, measured.records) == (4, 4, 6)
            assert measured.timestamp == long_ago + 4000
            assert measured.seconds(long_ago / 1000 + 64) == 60
            await commit(broker, topic, topic, {0: 7})
            assert (await reader.measure(topic)).partitions[place].timestamp == long_ago + 7000
            await commit(broker, topic, topic, {0: 10})
            measured = (await reader.measure(topic)).partitions[place]
            assert (measured.records, measured.timestamp, measured.seconds(time.time())) == (0, None, 0)


async def test_records_behind_aborted_ones_are_found_and_open_transactions_are_none(broker: str, topic: str) -> None:
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        await fill(broker, topic, 1)
        await commit(broker, topic, topic, {0: 1})
        await transaction(broker, topic, 300, commit=False)
        async with LagReader(broker) as reader:
            measured = (await reader.measure(topic)).partitions[place]
            assert (measured.committed, measured.position, measured.records) == (1, 302, 0)
            await fill(broker, topic, 5)
            measured = (await reader.measure(topic)).partitions[place]
            assert (measured.position, measured.records) == (302, 5)
            await commit(broker, topic, topic, {0: 307})
            native = await anyio.to_thread.run_sync(open_transaction, broker, topic, 7)
            assert (await reader.measure(topic)).partitions[place].records == 0
            await anyio.to_thread.run_sync(native.commit_transaction)
            assert (await reader.measure(topic)).partitions[place].records == 7 + 1


async def test_unknown_group_is_not_one_without_lag(broker: str, topic: str) -> None:
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        async with LagReader(broker) as reader:
            assert not (await reader.measure(topic)).known
            assert not (await reader.measure(topic, [topic])).known
            async with GroupReader(broker, group=topic, topics=[topic]) as member:
                while not member.assignment:
                    await member.fetch(timeout=0.1)
                joined = await reader.measure(topic)
                assert (joined.known, joined.members, joined.partitions) == (True, 1, {})
                await member.commit({TopicPartition(topic, 0): Offset(0)})
            left = await reader.measure(topic)
            assert (left.known, left.members) == (True, 0)
