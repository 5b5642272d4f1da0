"""Spans of plain aiokafka and confluent-kafka code on a real broker."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import anyio
import confluent_kafka
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer as EarlyConsumer
from confluent_kafka import DeserializingConsumer, SerializingProducer, cimpl
from confluent_kafka import Producer as EarlyProducer
from confluent_kafka.aio import AIOConsumer, AIOProducer
from harness.spans import OWN, Observed, identity, ids, linked, parents
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from pywatt_kafka import ensure_topics
from pywatt_kafka.tracing import KafkaInstrumentation, processing

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds


@pytest.fixture
def observed() -> Iterator[Observed]:
    with Observed() as recorded:
        yield recorded


def attributes(span: Any) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_aiokafka(broker: str, topic: str, observed: Observed) -> None:
    await ensure_topics(broker, [topic])
    serialized: list[Any] = []

    def serialize(value: Any) -> bytes:
        serialized.append(value)
        return str(value).encode()

    producer = AIOKafkaProducer(bootstrap_servers=broker, client_id="plain", value_serializer=serialize)
    await producer.start()
    try:
        with observed.tracer.start_as_current_span("order") as order:
            await producer.send_and_wait(topic, 1, key=b"text")
            future = await producer.send(topic, 2, headers=[("odd", b"\xff"), ("traceparent", OWN.encode())])
            assert len(observed.spans(f"send {topic}")) == 1  # the second is not acknowledged yet
            await future
    finally:
        await producer.stop()
    assert serialized == [1, 2]
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker, group_id=topic, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        with anyio.fail_after(LONG):
            first = await consumer.getone()
            iterator = aiter(consumer)
            second = await anext(iterator)
            with processing(second):
                await consumer.commit()
            assert await consumer.getmany(timeout_ms=1) == {}
    finally:
        await consumer.stop()
    assert trace.get_current_span().get_span_context().is_valid is False
    sends = observed.spans(f"send {topic}")
    assert [span.kind for span in sends] == [SpanKind.PRODUCER] * 2
    assert all(span.parent and span.parent.span_id == order.get_span_context().span_id for span in sends)
    assert [attributes(span)["messaging.kafka.offset"] for span in sends] == [first.offset, second.offset]
    assert attributes(sends[0])["messaging.kafka.message.key"] == "text"
    assert attributes(sends[0])["messaging.client.id"] == "plain"
    assert [ids(header) for header in parents(first)] == [identity(sends[0])]
    assert parents(second) == [OWN.encode()]
    polls = observed.spans(f"poll {topic}")
    assert [linked(span) for span in polls] == [[identity(sends[0])], [ids(OWN.encode())]]
    assert attributes(polls[0])["messaging.consumer.group.name"] == topic
    (processed,) = observed.spans(f"process {topic}")
    (committed,) = observed.spans(f"commit {topic}")
    assert committed.parent is not None
    assert committed.parent.span_id == identity(processed)[1]
    assert len(observed.exporter.get_finished_spans()) == 7
    assert observed.total("messaging.client.sent.messages") == 2
    assert observed.total("messaging.client.consumed.messages") == 2


async def test_batch_of_aiokafka_is_one_span(broker: str, topic: str, observed: Observed) -> None:
    await ensure_topics(broker, [topic])
    async with AIOKafkaProducer(bootstrap_servers=broker) as producer:
        batch = producer.create_batch()
        for number in range(3):
            batch.append(key=None, value=b"%d" % number, timestamp=None)
        await (await producer.send_batch(batch, topic, partition=0))
    (sent,) = observed.spans(f"send {topic}")
    assert sent.kind is SpanKind.CLIENT
    assert attributes(sent)["messaging.batch.message_count"] == 3
    assert observed.total("messaging.client.sent.messages") == 3


def consumed(consumer: Any, count: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < count:
        message = consumer.poll(1.0)
        if message is not None:
            assert message.error() is None
            found.append(message)
    return found


def consumer_settings(broker: str, topic: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": broker,
        "group.id": topic,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }


async def test_confluent(broker: str, topic: str, observed: Observed) -> None:
    await ensure_topics(broker, [topic])
    delivered: list[Any] = []
    settings = {"bootstrap.servers": broker, "client.id": "plain"}
    # the name was imported before the instrumentation was enabled
    producer = EarlyProducer({**settings, "on_delivery": lambda error, message: delivered.append(message.offset())})
    assert isinstance(producer, confluent_kafka.Producer)
    with observed.tracer.start_as_current_span("order") as order:
        producer.produce(topic, b"1", b"text")
        producer.produce(topic, value=b"2", headers={"traceparent": OWN, "odd": b"\xff"})
        assert observed.spans(f"send {topic}") == []
    await asyncio.to_thread(producer.flush)
    serializing = SerializingProducer({**settings, "value.serializer": lambda value, _: str(value).encode()})
    serializing.produce(topic, value=3)
    await asyncio.to_thread(serializing.flush)
    quiet = EarlyProducer({**settings, "delivery.report.only.error": True})
    quiet.produce(topic, b"4", on_delivery=lambda *_: delivered.append("told of a success"))
    await asyncio.to_thread(quiet.flush)
    assert delivered == [0, 1]
    sends = observed.spans(f"send {topic}")
    assert [attributes(span)["messaging.kafka.offset"] for span in sends] == [0, 1, 2, 3]
    assert attributes(sends[0])["messaging.client.id"] == "plain"
    assert [span.parent is not None for span in sends] == [True, True, False, False]
    assert identity(sends[0])[0] == order.get_span_context().trace_id

    consumer = EarlyConsumer(consumer_settings(broker, topic))
    consumer.subscribe([topic])
    try:
        with anyio.fail_after(LONG):
            first, second = await asyncio.to_thread(consumed, consumer, 2)
            with processing(first):
                consumer.commit(message=first, asynchronous=False)
            rest: list[Any] = []
            while len(rest) < 2:
                rest += await asyncio.to_thread(consumer.consume, 2, 1.0)
    finally:
        consumer.close()
    assert [ids(value) for name, value in first.headers() if name == "traceparent"] == [identity(sends[0])]
    assert [value for name, value in second.headers() if name == "traceparent"] == [OWN.encode()]
    links = [each for span in observed.spans(f"poll {topic}") for each in linked(span)]
    assert links == [identity(sends[0]), ids(OWN.encode()), identity(sends[2]), identity(sends[3])]
    (processed,) = observed.spans(f"process {topic}")
    (committed,) = observed.spans(f"commit {topic}")
    assert processed.parent is not None
    assert processed.parent.span_id == identity(sends[0])[1]
    assert committed.parent is not None
    assert committed.parent.span_id == identity(processed)[1]
    assert observed.total("messaging.client.consumed.messages") == 4

    deserializing = DeserializingConsumer(
        {
            **consumer_settings(broker, topic),
            "group.id": f"{topic}-2",
            "value.deserializer": lambda value, _: int(value),
        }
    )
    deserializing.subscribe([topic])
    try:
        messages = await asyncio.to_thread(consumed, deserializing, 4)
    finally:
        deserializing.close()
    assert [message.value() for message in messages] == [1, 2, 3, 4]
    assert observed.total("messaging.client.consumed.messages") == 8


async def test_asyncio_classes_of_confluent(broker: str, topic: str, observed: Observed) -> None:
    await ensure_topics(broker, [topic])
    producer = AIOProducer({"bootstrap.servers": broker}, buffer_timeout=0.05)
    with observed.tracer.start_as_current_span("order") as order:
        future = await producer.produce(topic, b"1", key=b"k")
        assert observed.spans(f"send {topic}") == []
        await producer.flush()
        message = await future
    await producer.close()
    (sent,) = observed.spans(f"send {topic}")
    assert attributes(sent)["messaging.kafka.offset"] == message.offset()
    assert sent.parent is not None
    assert sent.parent.span_id == order.get_span_context().span_id
    consumer = AIOConsumer(consumer_settings(broker, topic))
    await consumer.subscribe([topic])
    with anyio.fail_after(LONG):
        while (found := await consumer.poll(timeout=1.0)) is None:
            pass
        with processing(found):
            await consumer.commit(message=found, asynchronous=False)
    await consumer.close()
    assert len(observed.spans(f"poll {topic}")) == 1
    (processed,) = observed.spans(f"process {topic}")
    (committed,) = observed.spans(f"commit {topic}")
    assert committed.parent is not None
    assert committed.parent.span_id == identity(processed)[1]


async def test_failures_mark_their_spans(topic: str, observed: Observed) -> None:
    producer = EarlyProducer({"bootstrap.servers": "127.0.0.1:1", "message.timeout.ms": 10, "log_level": 0})
    errors: list[Any] = []
    producer.produce(topic, b"1", on_delivery=lambda error, _: errors.append(error and error.name()))
    await asyncio.to_thread(producer.flush)
    (sent,) = observed.spans(f"send {topic}")
    assert [attributes(sent)["error.type"]] == errors == ["_MSG_TIMED_OUT"]
    assert not sent.status.is_ok


def test_disabled_the_classes_are_the_originals() -> None:
    instrumentation = KafkaInstrumentation()
    bases = SerializingProducer.__bases__
    instrumentation.enable()
    made = confluent_kafka.Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    assert SerializingProducer.__bases__ != bases
    instrumentation.disable()
    assert SerializingProducer.__bases__ == bases
    assert confluent_kafka.Producer is cimpl.Producer
    assert globals()["EarlyProducer"] is cimpl.Producer
    assert isinstance(made, confluent_kafka.Producer)
