"""Sending: fields, serializers, several messages, the queue and its flush, the lifetime of a producer; both engines."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest

from pywatt_kafka import (
    ClientClosed,
    GroupReader,
    InvalidRecord,
    KafkaError,
    Message,
    Producer,
    RecordPosition,
    RecordTooLarge,
    SerializationFailed,
    Serializers,
    String,
    UnknownTopic,
    WrongLoop,
    ensure_topics,
    string_serializers,
)
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.engine.settings import EngineName
from pywatt_kafka.records import OutgoingRecord

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds


async def read(broker: str, topic: str, count: int) -> list[Message]:
    """Return the records of a topic once it has this many."""
    found: list[Message] = []
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=topic, topics=[topic]) as reader:
            while len(found) < count:
                for messages in (await reader.fetch()).values():
                    found.extend(messages)
    return found


async def values(broker: str, topic: str, count: int) -> list[bytes | None]:
    return [message.value for message in await read(broker, topic, count)]


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"value": "text"}, SerializationFailed, "not bytes but str"),
        ({"key": 7}, SerializationFailed, "not bytes but int"),
        ({"headers": {"a": 1}}, InvalidRecord, "the header 'a' must be bytes, a str or None, not int"),
        ({"headers": [(b"a", b"1")]}, InvalidRecord, "the name of a header must be a str, not bytes"),
        ({"headers": ["a"]}, InvalidRecord, "not enough values"),
        ({"headers": 5}, InvalidRecord, "not iterable"),
        ({"partition": "0"}, InvalidRecord, "partition is '0'"),
        ({"timestamp": 1.5}, InvalidRecord, "timestamp is 1.5"),
        ({"timestamp": 1 << 70}, InvalidRecord, "timestamp is"),
        ({"topic": b"t"}, InvalidRecord, "must be a str, not bytes"),
        ({"topic": "no such/name"}, UnknownTopic, "no legal name"),
        ({"value": None}, InvalidRecord, "needs a value or a key"),
        ({"value": b"x" * 1_100_000}, RecordTooLarge, "writing to topic"),
    ],
)
async def test_wrong_field_is_an_error_of_its_own_record(
    broker: str, topic: str, engine: EngineName, fields: Mapping[str, Any], error: type[KafkaError], words: str
) -> None:
    bad: Any = {"topic": topic, "value": b"bad", **fields}
    async with Producer(broker, engine=engine) as producer:
        before = [asyncio.ensure_future(producer.send(topic, b"%d" % number)) for number in range(3)]
        await anyio.lowlevel.checkpoint()  # they have begun
        with pytest.raises(error, match=words):
            await producer.send(**bad)
        after = await producer.send(topic, b"3")
        outcomes = await producer.send(messages=[bad, {"topic": topic, "value": b"4"}])
        assert [type(outcome) for outcome in outcomes] == [error, RecordPosition]
        assert after.offset == 3
        assert [position.offset for position in await asyncio.gather(*before)] == [0, 1, 2]
    assert await values(broker, topic, 5) == [b"0", b"1", b"2", b"3", b"4"]


async def test_unknown_field_of_a_message_is_told(broker: str, topic: str, engine: EngineName) -> None:
    wrong: Any = [{"topic": topic, "value": b"x", "partitionKey": 1}, {"value": b"x"}, b"x"]
    async with Producer(broker, engine=engine) as producer:
        outcomes = await producer.send(messages=wrong)
    assert [str(outcome) for outcome in outcomes] == [
        f"a message for topic {topic} has a field 'partitionKey'",
        "a message has no topic",
        "a message must be a mapping, not bytes",
    ]


async def test_headers_are_a_mapping_or_pairs(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, engine=engine) as producer:
        await producer.send(topic, b"0", headers={"a": "ü", "b": b"\xff", "c": None})
        await producer.send(topic, b"1", headers=[("a", "1"), ("a", b"2")])
        await producer.send(messages=[{"topic": topic, "value": b"2", "headers": iter([("a", "1")])}])
    assert [message.headers for message in await read(broker, topic, 3)] == [
        (("a", "ü".encode()), ("b", b"\xff"), ("c", None)),
        (("a", b"1"), ("a", b"2")),
        (("a", b"1"),),
    ]


async def test_serializers_turn_keys_and_values_into_bytes(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, engine=engine, serializers=string_serializers) as producer:
        await producer.send(topic, "wärme", key="k")
        with pytest.raises(SerializationFailed, match="not a str but int") as caught:
            await producer.send(topic, 1)  # type: ignore[call-overload]
        await producer.enqueue(topic, "2", key="k")
        await producer.send(messages=[{"topic": topic, "value": "3", "key": "k"}])
    assert caught.value.topic == topic
    assert [(message.key, message.value) for message in await read(broker, topic, 3)] == [
        (b"k", "wärme".encode()), (b"k", b"2"), (b"k", b"3"),
    ]  # fmt: skip


async def test_async_serializers_keep_the_order(broker: str, topic: str, engine: EngineName) -> None:
    order = random.Random(7)

    async def serialize(data: int, topic: str, field: Literal["key", "value"]) -> bytes:
        for _ in range(order.randrange(20)):  # turns of the event loop: later ones are often done first
            await anyio.lowlevel.checkpoint()
        if data < 0:
            raise ValueError("negative")
        return b"%d" % data

    async with Producer(broker, engine=engine, serializers=Serializers(key=String(), value=serialize)) as producer:
        sends = [asyncio.ensure_future(producer.send(topic, number)) for number in range(100)]
        bad = asyncio.ensure_future(producer.send(topic, -1))
        gone = asyncio.ensure_future(producer.send(topic, 1000))
        outcomes = asyncio.ensure_future(
            producer.send(messages=[{"topic": topic, "value": number} for number in (100, -1, 101)])
        )
        await anyio.lowlevel.checkpoint()
        gone.cancel()
        await producer.enqueue(topic, 102)
        with pytest.raises(SerializationFailed, match="negative"):
            await bad
        await asyncio.gather(*sends)
        assert [type(outcome) for outcome in await outcomes] == [RecordPosition, SerializationFailed, RecordPosition]
        await producer.flush()
    assert await values(broker, topic, 103) == [b"%d" % number for number in range(103)]


async def test_enqueued_records_are_acknowledged_by_flush(broker: str, topic: str, engine: EngineName) -> None:
    told: list[RecordPosition | KafkaError] = []
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine, linger_ms=5000) as producer:
        for number in range(2000):
            await producer.enqueue(topic, b"%d" % number, on_delivery=told.append)
        with anyio.fail_after(4):  # it does not wait for more of a batch
            await producer.flush()
        assert [outcome.offset for outcome in told if isinstance(outcome, RecordPosition)] == list(range(2000))
        await producer.enqueue(topic, b"x", partition=7)
        await producer.enqueue(topic, b"x", partition=8)
        await producer.enqueue(topic, b"fine")
        with pytest.raises(KafkaError, match="no partition 7") as caught:
            await producer.flush()
        assert caught.value.__notes__ == [
            "records enqueued since the last flush that failed: 2; this is the first error"
        ]
        await producer.flush()
    assert len(await values(broker, topic, 2001)) == 2001


async def test_enqueued_records_fail_alone_among_many(broker: str, topic: str, engine: EngineName) -> None:
    told: list[RecordPosition | KafkaError] = []
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine, max_request_bytes=10_000) as producer:
        await producer.wait_connected()
        for number in range(1000):
            await producer.enqueue(topic, b"x" * 20_000 if number in (0, 300, 600) else b"%d" % number)
        await producer.enqueue(topic, b"x" * 20_000, on_delivery=told.append)
        with pytest.raises(RecordTooLarge) as caught:
            await producer.flush()
        assert "that failed: 3" in caught.value.__notes__[0]
        await producer.flush()
    assert [type(outcome) for outcome in told] == [RecordTooLarge]
    found = [int(value or b"") for value in await values(broker, topic, 997)]
    assert found == [number for number in range(1000) if number not in (0, 300, 600)]


async def test_flush_waits_for_outcomes_and_not_for_the_broker(
    own_broker: RealBroker, topic: str, engine: EngineName
) -> None:
    """A batch that was in flight when the broker died is sent until it is back; its records have failed before."""
    async with Producer(own_broker.address, request_timeout=LONG) as first:
        await first.send(topic, b"0")
    async with Producer(own_broker.address, engine=engine, request_timeout=2) as producer:
        await producer.wait_connected()
        native: Any = producer._connection.engine
        await native.ready(OutgoingRecord(topic, b"1", None, [], None, None))
        with anyio.fail_after(LONG):
            while engine == "aiokafka" and not native._producer._txn_manager.has_pid():
                await anyio.lowlevel.checkpoint()
            assert own_broker.pid is not None
            os.kill(own_broker.pid, signal.SIGSTOP)
            await producer.enqueue(topic, b"1")
            while engine == "aiokafka" and not native._accumulator._pending_batches:
                await anyio.lowlevel.checkpoint()
            await anyio.to_thread.run_sync(own_broker.kill)
            with pytest.raises(KafkaError, match="may be written all the same"):
                await producer.flush()


async def test_losses_of_an_outage_are_counted(own_broker: RealBroker, engine: EngineName) -> None:
    async with Producer(own_broker.address, engine=engine, request_timeout=2) as producer:
        await producer.send("orders", b"0")
        await anyio.to_thread.run_sync(own_broker.kill)
        for number in range(300):
            await producer.enqueue("orders", b"%d" % number)
        with pytest.raises(KafkaError) as caught:
            await producer.flush()
        assert "that failed: 300" in caught.value.__notes__[0]


async def test_records_beyond_the_buffer_wait_in_their_order(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic])
    async with Producer(broker, engine=engine, buffer_bytes=100_000) as producer:
        sends = [asyncio.ensure_future(producer.send(topic, b"%d" % number + b" " * 1000)) for number in range(2000)]
        enqueued = asyncio.ensure_future(producer.enqueue(topic, b"2000"))
        positions = await asyncio.gather(*sends)
        await enqueued
        await producer.flush()
    assert [position.offset for position in positions] == list(range(2000))
    assert [int(value or b"") for value in await values(broker, topic, 2001)] == list(range(2001))


async def test_very_many_sends_may_begin_at_once(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, engine=engine) as producer:  # a new topic: all of them wait for it
        positions = await asyncio.gather(*(producer.send(topic, b"%d" % number) for number in range(20_000)))
    assert len({(position.partition, position.offset) for position in positions}) == 20_000


async def test_use_outside_its_lifetime_is_refused_at_once(broker: str, topic: str, engine: EngineName) -> None:
    producer = Producer(broker, engine=engine)
    uses = (
        lambda: producer.send(topic, b"x"),
        lambda: producer.send(messages=[{"topic": topic, "value": b"x"}]),
        lambda: producer.enqueue(topic, b"x"),
        producer.flush,
        producer.wait_connected,
    )
    for use in uses:
        with pytest.raises(ClientClosed, match="is not connected"):
            await use()

    async def elsewhere() -> list[type[BaseException]]:
        outcomes = await asyncio.gather(*(use() for use in uses), producer.connect(), return_exceptions=True)
        closing = await asyncio.gather(producer.close(), return_exceptions=True)
        return [type(outcome) for outcome in (*outcomes, *closing) if isinstance(outcome, BaseException)]

    with anyio.fail_after(LONG):
        await producer.connect()
        await producer.connect()
        assert (await producer.send(topic, b"0")).offset == 0
        assert await anyio.to_thread.run_sync(asyncio.run, elsewhere()) == [WrongLoop] * (len(uses) + 2)
        with pytest.raises(WrongLoop):
            await anyio.to_thread.run_sync(producer.post, topic, b"x", print)
        async with producer, anyio.create_task_group() as tasks:
            tasks.start_soon(producer.close)
            tasks.start_soon(producer.close)
        await producer.close()
    told: list[RecordPosition | KafkaError] = []
    producer.post(topic, b"x", told.append)
    assert isinstance(told[0], ClientClosed)
    last: tuple[Callable[[], Awaitable[object]], ...] = (*uses, producer.connect, producer.__aenter__)
    for attempt in last:
        with pytest.raises(ClientClosed, match="is closed"):
            await attempt()


async def test_closing_ends_waiting_sends_with_an_error(broker: str, topics: Any, engine: EngineName) -> None:
    await ensure_topics(broker, [written := topics()])
    producer = Producer(broker, engine=engine)
    async with producer:
        await producer.wait_connected()
        sends = [asyncio.ensure_future(producer.send(written, b"%d" % number)) for number in range(100)]
        waits = asyncio.ensure_future(producer.send("no such/name", b"x"))
        await anyio.lowlevel.checkpoint()
        await producer.close()
        outcomes = await asyncio.gather(*sends, waits, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes[:-1]} == {RecordPosition}
    assert isinstance(outcomes[-1], KafkaError)


async def test_callback_that_fails_takes_nothing_from_others(broker: str, topic: str, engine: EngineName) -> None:
    told: list[RecordPosition | KafkaError] = []
    reported: list[Mapping[str, Any]] = []

    def fail(_: object) -> None:
        raise LookupError

    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    try:
        async with Producer(broker, engine=engine) as producer:
            for number in range(6):
                await producer.enqueue(topic, b"%d" % number, on_delivery=fail if number % 2 else told.append)
            await producer.flush()
            with anyio.fail_after(LONG):
                while len(told) < 3:
                    await producer.send(topic, b"more")
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert all(isinstance(outcome, RecordPosition) for outcome in told)
    assert len(reported) == 3


async def test_brokers_tell_no_offset_with_acks_0(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic])
    with anyio.fail_after(LONG):
        async with Producer(broker, engine=engine, acks=0) as producer:
            positions = [await producer.send(topic, b"%d" % number) for number in range(3)]
    assert [position.offset for position in positions] == [-1] * 3
    assert await values(broker, topic, 3) == [b"0", b"1", b"2"]
