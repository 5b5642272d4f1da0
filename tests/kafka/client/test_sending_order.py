"""Sends of one topic are written in their order: to a topic that is not known yet, through an outage, and in masses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
import pytest

from pywatt_kafka import GroupReader, KafkaError, Producer, RecordPosition, UnknownPartition, ensure_topics
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds


async def numbers(broker: str, topic: str, count: int) -> list[int]:
    """Return the numbers of a topic with one partition, once it has this many records."""
    found: list[int] = []
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=topic, topics=[topic]) as reader:
            while len(found) < count:
                for messages in (await reader.fetch()).values():
                    found.extend(int(message.value or b"") for message in messages)
    return found


async def test_sends_to_a_new_topic_keep_their_order(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, engine=engine) as producer:
        await asyncio.gather(*(producer.send(topic, b"%d" % number) for number in range(400)))
    assert await numbers(broker, topic, 400) == list(range(400))


async def test_sends_during_an_outage_keep_their_order(own_broker: RealBroker, topic: str, engine: EngineName) -> None:
    async with Producer(own_broker.address, engine=engine, request_timeout=LONG) as producer:
        await producer.send(topic, b"0")
        await anyio.to_thread.run_sync(own_broker.kill)
        early = [asyncio.ensure_future(producer.send(topic, b"%d" % number)) for number in range(1, 100)]
        with anyio.fail_after(LONG):
            while producer.connected:
                await asyncio.wait(early, timeout=0.05)
        late = [asyncio.ensure_future(producer.send(topic, b"%d" % number)) for number in range(100, 300)]
        await anyio.to_thread.run_sync(own_broker.start)
        await asyncio.gather(*early, *late)
    assert await numbers(own_broker.address, topic, 300) == list(range(300))


async def test_partition_that_does_not_exist_fails_only_its_own_record(
    broker: str, topics: Callable[[], str], engine: EngineName
) -> None:
    topic = topics()
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine) as producer:
        outcomes = await asyncio.gather(
            *(producer.send(topic, b"x", partition=number) for number in (0, 7, 0, -7, 0)), return_exceptions=True
        )
    assert [type(outcome) for outcome in outcomes] == [
        RecordPosition, UnknownPartition, RecordPosition, UnknownPartition, RecordPosition,
    ]  # fmt: skip
    positions = [outcome.offset for outcome in outcomes if isinstance(outcome, RecordPosition)]
    assert positions == [0, 1, 2]


async def test_record_that_finds_no_topic_fails_alone(broker: str, topic: str, engine: EngineName) -> None:
    outcomes: list[RecordPosition | KafkaError] = []
    async with Producer(broker, engine=engine) as producer:
        producer.post("no such name", b"x", outcomes.append)
        await producer.send(topic, b"fine")
        with anyio.fail_after(5):
            while not outcomes:
                await producer.send(topic, b"fine")
    assert isinstance(outcomes[0], KafkaError)


async def test_records_of_all_calls_keep_their_order(broker: str, topic: str, engine: EngineName) -> None:
    """Many of a turn, more than the buffer takes: some go the short way to the engine, and all others between them."""
    count = 6000
    told: list[int] = []
    sends: list[asyncio.Future[RecordPosition]] = []
    await ensure_topics(broker, [topic])

    def delivered(outcome: RecordPosition | KafkaError) -> None:
        assert isinstance(outcome, RecordPosition)
        told.append(outcome.offset)

    async with Producer(broker, engine=engine, buffer_bytes=100_000) as producer:
        await producer.wait_connected()
        for number in range(count):
            value = b"%d" % number
            if number % 701 == 0:
                sends.append(asyncio.ensure_future(producer.send(topic, value)))
                await asyncio.sleep(0)
            elif number % 97 == 0:
                await producer.enqueue(topic, value, headers={"a": b"1"})
            elif number % 10 == 3:
                await producer.enqueue(topic, value, on_delivery=delivered)
            elif number % 10 == 7:
                producer.post(topic, value, delivered)
            else:
                await producer.enqueue(topic, value, key=b"key")
        await producer.flush()
        assert [(await send).offset for send in sends] == list(range(0, count, 701))
    assert told == [number for number in range(count) if number % 10 in (3, 7) and number % 701 and number % 97]
    assert await numbers(broker, topic, count) == list(range(count))
