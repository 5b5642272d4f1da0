"""A group that has nothing left to do can commit past markers, aborted and deleted records, and has no lag."""

from __future__ import annotations

import anyio
import pytest
from harness.undeliverable import delete_records, open_transaction, transaction

from pywatt_kafka import GroupReader, Offset, Producer, TopicPartition, consumer_lag, ensure_topics
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds
COMMITTED, ABORTED = 3, 1500
MARKERS = 2


async def read_until(reader: GroupReader, place: TopicPartition, position: int) -> int:
    """Fetch until everything before `position` is returned or passed; return the number of records."""
    records = 0
    while reader.positions().get(place) != position:
        records += sum(map(len, (await reader.fetch(timeout=0.2)).values()))
    return records


async def test_aborted_transactions_and_markers(broker: str, topic: str, engine: EngineName) -> None:
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        await transaction(broker, topic, COMMITTED, commit=True)
        await transaction(broker, topic, ABORTED, commit=False)
        async with GroupReader(broker, group=topic, topics=[topic], engine=engine) as reader:
            assert await read_until(reader, place, COMMITTED + ABORTED + MARKERS) == COMMITTED
            assert reader.behind == 0
            await reader.commit({place: Offset(position) for place, position in reader.positions().items()})
            assert await consumer_lag(broker, topic) == {topic: {0: 0}}
            # what follows is read as ever
            await transaction(broker, topic, COMMITTED, commit=True)
            assert await read_until(reader, place, 2 * COMMITTED + ABORTED + MARKERS + 1) == COMMITTED


async def test_open_transaction_is_no_lag(broker: str, topic: str, engine: EngineName) -> None:
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        async with Producer(broker) as producer:
            await producer.send(topic, b"before")
        native = await anyio.to_thread.run_sync(open_transaction, broker, topic, COMMITTED)
        async with GroupReader(broker, group=topic, topics=[topic], engine=engine) as reader:
            assert await read_until(reader, place, 1) == 1
            assert reader.behind == 0
            await reader.commit({place: Offset(1)})
            assert await consumer_lag(broker, topic) == {topic: {0: 0}}
            await anyio.to_thread.run_sync(native.commit_transaction)
            assert await read_until(reader, place, 1 + COMMITTED + 1) == COMMITTED


async def test_records_deleted_before_they_were_read(broker: str, topic: str, engine: EngineName) -> None:
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        async with Producer(broker) as producer:
            for _ in range(20):
                await producer.send(topic, b"v")
        async with GroupReader(broker, group=topic, topics=[topic], engine=engine) as reader:
            await read_until(reader, place, 20)
            await reader.commit({place: Offset(5)})
        await delete_records(broker, topic, 18)
        assert await consumer_lag(broker, topic) == {topic: {0: 2}}
        await delete_records(broker, topic, 20)
        assert await consumer_lag(broker, topic) == {topic: {0: 0}}
        async with GroupReader(broker, group=topic, topics=[topic], engine=engine) as reader:
            assert await read_until(reader, place, 20) == 0


async def test_seek_back_is_not_overtaken_by_an_end_of_before(broker: str, topic: str, engine: EngineName) -> None:
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=1)
        async with Producer(broker) as producer:
            for number in range(20):
                await producer.send(topic, b"%d" % number)
        async with GroupReader(broker, group=topic, topics=[topic], engine=engine) as reader:
            await read_until(reader, place, 20)
            for start in (3, 19, 0, 10):
                reader.seek(place, start)
                expected = start
                while expected < 20:
                    assert reader.positions().get(place, start) <= expected
                    for message in (await reader.fetch(timeout=0.2, max_records=4)).get(place, ()):
                        assert message.offset == expected
                        expected += 1
                assert await read_until(reader, place, 20) == 0
