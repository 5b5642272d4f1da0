"""If the broker rejects a record, only this record fails: all others are written in order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition as Native
from aiokafka.producer.transaction_manager import PidAndEpoch
from harness.topics import COMPACTED, SMALL, create_topic

from pywatt_kafka import GroupReader, InvalidRecord, KafkaError, Producer, RecordPosition, RecordTooLarge
from pywatt_kafka.aiokafka.accumulator import LAST_EPOCH
from pywatt_kafka.engine.settings import EngineName

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
BIG = b"x" * 1_060_000  # more than a broker takes by default


async def values(broker: str, topic: str, count: int) -> dict[int, list[bytes | None]]:
    """Return the values of each partition of a topic once it has this number of records."""
    found: dict[int, list[bytes | None]] = {}
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
            while sum(map(len, found.values())) < count:
                for place, messages in (await consumer.fetch()).items():
                    found.setdefault(place.partition, []).extend(message.value for message in messages)
    return found


def manager_of(producer: Producer) -> Any:
    """Return the object that numbers the batches of a connected producer."""
    engine: Any = producer._connection.engine
    return engine._producer._txn_manager


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])
@pytest.mark.parametrize(
    ("configs", "record", "error"),
    [
        ({}, {"value": BIG, "key": b"k"}, RecordTooLarge),
        (SMALL, {"value": b"x" * 2000, "key": b"k"}, RecordTooLarge),
        (COMPACTED, {"value": b"x"}, InvalidRecord),
        ({"message.timestamp.after.max.ms": "1000"}, {"value": b"x", "key": b"k", "timestamp": 1 << 43}, InvalidRecord),
    ],
)
async def test_later_records_are_written(
    broker: str, topic: str, engine: EngineName, configs: Mapping[str, str], record: Any, error: type[KafkaError]
) -> None:
    await create_topic(broker, topic, configs)
    async with Producer(broker, max_request_bytes=1 << 21, engine=engine) as producer:
        await producer.send(topic, b"0", key=b"k")
        for number in (b"1", b"2", b"3"):
            with pytest.raises(error):
                await producer.send(topic, **record)
            await producer.send(topic, number, key=b"k")
        assert producer.connected
    assert await values(broker, topic, 4) == {0: [b"0", b"1", b"2", b"3"]}


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("compression", [None, "gzip"])
async def test_records_of_the_same_batch_are_written_once_and_in_order(
    broker: str, topic: str, idempotent: bool, compression: Any
) -> None:
    await create_topic(broker, topic, COMPACTED, partitions=3)
    outcomes: dict[int, list[RecordPosition | KafkaError]] = {0: [], 1: [], 2: []}
    bad = {0: {0, 57, 199}, 1: {100, 101}, 2: set[int]()}
    async with Producer(broker, idempotent=idempotent, compression=compression) as producer:
        await producer.send(topic, b"first", key=b"k", partition=0)
        for number in range(200):
            for partition, done in outcomes.items():
                key = None if number in bad[partition] else b"%d" % number
                producer.post(topic, b"%d" % number, done.append, key=key, partition=partition, headers=[("h", b"1")])
        later = asyncio.gather(*(producer.send(topic, b"last", key=b"k", partition=each) for each in outcomes))
        with anyio.fail_after(LONG):
            await later
    for partition, told in outcomes.items():
        assert len(told) == 200
        refused = [outcome for outcome in told if isinstance(outcome, KafkaError)]
        assert len(refused) == len(bad[partition])
        assert {type(outcome) for outcome in refused} <= {InvalidRecord}
        positions = [outcome for outcome in told if isinstance(outcome, RecordPosition)]
        assert [position.offset for position in positions] == sorted({position.offset for position in positions})
    found = await values(broker, topic, 4 + 600 - 5)
    for partition in outcomes:
        written = [b"%d" % number for number in range(200) if number not in bad[partition]]
        assert found[partition] == [*([b"first"] if partition == 0 else []), *written, b"last"]


async def test_batch_that_is_too_large_for_its_topic_is_parted(broker: str, topic: str) -> None:
    await create_topic(broker, topic, SMALL)
    outcomes: list[RecordPosition | KafkaError] = []
    async with Producer(broker) as producer:
        await producer.send(topic, b"first")
        for number in range(100):
            producer.post(topic, b"%d" % number * 50, outcomes.append)
    assert len(outcomes) == 100
    assert all(isinstance(outcome, RecordPosition) for outcome in outcomes)
    assert await values(broker, topic, 101) == {0: [b"first", *(b"%d" % number * 50 for number in range(100))]}


async def test_broker_that_has_lost_the_sequence_is_sent_the_records_again(broker: str, topic: str) -> None:
    await create_topic(broker, topic, {})
    async with Producer(broker) as producer:
        await producer.send(topic, b"0")
        manager_of(producer)._sequence_numbers[Native(topic, 0)] = 50
        assert (await producer.send(topic, b"1")).offset == 1
        assert (await producer.send(topic, b"2")).offset == 2


async def test_producer_id_whose_epochs_are_used_up_is_replaced(broker: str, topic: str) -> None:
    await create_topic(broker, topic, COMPACTED)
    async with Producer(broker) as producer:
        await producer.wait_connected()
        manager = manager_of(producer)
        producer_id = manager.producer_id
        manager._pid_and_epoch = PidAndEpoch(producer_id, LAST_EPOCH)
        await producer.send(topic, b"0", key=b"k")
        with pytest.raises(InvalidRecord):
            await producer.send(topic, b"x")
        await producer.send(topic, b"1", key=b"k")
        assert (manager.producer_id != producer_id, manager.producer_epoch) == (True, 0)
    assert await values(broker, topic, 2) == {0: [b"0", b"1"]}
