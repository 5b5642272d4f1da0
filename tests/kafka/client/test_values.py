"""Keys and values on both engines: serdes, async functions, a schema registry over HTTP, and values that are bad."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from harness.order_message import OrderMessage
from harness.schema_registry import http_registry

from pywatt_kafka import (
    Consumer,
    Deserializers,
    Json,
    KafkaUnavailable,
    OnBadValue,
    Producer,
    RecordPosition,
    SerializationFailed,
    Serializers,
    String,
    ensure_topics,
)
from pywatt_kafka.consuming.stream_message import StreamMessage
from pywatt_kafka.engine.settings import EngineName
from pywatt_kafka.serde.protocols import Field
from pywatt_kafka.serde.registry import Avro, JsonSchema, Protobuf, SchemaRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LIMIT = 60.0  # seconds
SCHEMA = json.dumps(
    {"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string"}]}
)


@dataclass
class Order:
    id: int
    name: str


async def read(consumer: Consumer[Any, Any], count: int) -> Sequence[StreamMessage[Any, Any]]:
    messages: list[StreamMessage[Any, Any]] = []
    with anyio.fail_after(LIMIT):
        async for message in consumer:
            messages.append(message)
            if len(messages) == count:
                break
    return messages


async def test_formats_of_a_registry(broker: str, topic: str, engine: EngineName) -> None:
    order = Order(7, "ë")
    message = OrderMessage(id=7, name="ë")
    with http_registry() as server:
        formats: list[tuple[Callable[[SchemaRegistry], Any], Any]] = [
            (lambda registry: Avro(registry, SCHEMA, Order), order),
            (lambda registry: JsonSchema(registry, kind=Order), order),
            (lambda registry: Protobuf(registry, OrderMessage), message),
        ]
        for number, (make, value) in enumerate(formats):
            name = f"{topic}-{number}"
            serializers = Serializers(key=String(), value=make(SchemaRegistry(server.url)))
            deserializers: Deserializers[Any, Any] = Deserializers(key=String(), value=make(SchemaRegistry(server.url)))
            async with (
                Producer(broker, serializers=serializers, engine=engine) as producer,
                Consumer(name, broker, topics=[name], deserializers=deserializers, engine=engine) as consumer,
            ):
                results = await producer.send(
                    messages=[{"topic": name, "key": "k", "value": value}] * 20 + [{"topic": name, "key": "k"}]
                )
                assert [type(result) for result in results] == [RecordPosition] * 21
                messages = await read(consumer, 21)
            assert [message.value for message in messages] == [value] * 20 + [None]
            assert {message.key for message in messages} == {"k"}
        # Each producer registers its schema once, each consumer asks for it once.
        assert sorted(request.partition("?")[0] for request in server.requests) == [
            *(f"GET /schemas/ids/{number}" for number in (1, 2, 3)),
            *(f"POST /subjects/{topic}-{number}-value/versions" for number in (0, 1, 2)),
        ]


async def test_a_registry_that_is_away_makes_no_bad_values(broker: str, topic: str, engine: EngineName) -> None:
    with http_registry() as server:
        reader = Avro(SchemaRegistry(server.url, options={"max.retries": 0}), SCHEMA, Order)
        writer = Avro(SchemaRegistry(server.url, options={"max.retries": 0}), SCHEMA, Order)
        async with (
            Producer(broker, serializers=Serializers(value=writer), engine=engine) as producer,
            Consumer(
                topic,
                broker,
                topics=[topic],
                deserializers=Deserializers(value=reader),
                on_bad_value="skip",
                engine=engine,
            ) as consumer,
        ):
            server.status = 503
            with pytest.raises(KafkaUnavailable, match=r"the schema registry .* has failed"):
                await producer.send(topic, Order(1, "a"))
            server.status = None
            await producer.send(topic, Order(2, "b"))
            server.status = 503
            with pytest.raises(KafkaUnavailable, match=r"the schema registry .* has failed"):
                await read(consumer, 1)
            server.status = None
            assert (await read(consumer, 1))[0].value == Order(2, "b")


async def test_async_functions_keep_the_order_of_sends(broker: str, topic: str, engine: EngineName) -> None:
    gate = asyncio.Event()

    async def slow(data: int, topic: str, field: Field) -> bytes:
        if data % 3 == 0:
            await gate.wait()
        return b"%d" % data

    async def parsed(data: bytes | None, topic: str, field: Field, headers: object) -> int:
        await asyncio.sleep(0)
        return int(data or b"-1")

    numbers: Deserializers[Any, int] = Deserializers(value=parsed)
    await ensure_topics(broker, [topic])
    async with (
        Producer(broker, serializers=Serializers(value=slow), engine=engine) as producer,
        Consumer(topic, broker, topics=[topic], deserializers=numbers, engine=engine) as consumer,
    ):
        async with asyncio.TaskGroup() as group:
            for number in range(100):
                group.create_task(producer.send(topic, number))
            await asyncio.sleep(0)
            gate.set()
        assert [message.value for message in await read(consumer, 100)] == list(range(100))


async def test_a_value_that_cannot_be_serialized_fails_alone(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, serializers=Serializers(key=String(), value=Json(Order)), engine=engine) as producer:
        good = {"topic": topic, "value": Order(1, "a")}
        first, bad, last = await producer.send(messages=[good, {"topic": topic, "value": "no order"}, good])
    assert isinstance(first, RecordPosition)
    assert isinstance(last, RecordPosition)
    assert isinstance(bad, SerializationFailed)
    assert bad.message == f"the value for topic {topic} cannot be serialized: not Order but str"


@pytest.mark.parametrize("on_bad_value", ["fail", "skip", "dlq"])
async def test_bad_values(broker: str, topic: str, engine: EngineName, on_bad_value: OnBadValue) -> None:
    async with Producer(broker, engine=engine) as producer:
        for value in (b'{"id":1,"name":"a"}', b"broken", b'{"id":2,"name":"b"}'):
            await producer.send(topic, value, key=b"k", partition=0)
    async with Consumer(
        topic,
        broker,
        topics=[topic],
        deserializers=Deserializers(value=Json(Order)),
        on_bad_value=on_bad_value,
        engine=engine,
    ) as consumer:
        if on_bad_value == "fail":
            with pytest.raises(SerializationFailed, match=rf"the value of {topic}\[0\] at offset 1 cannot") as caught:
                await read(consumer, 2)
            assert (caught.value.topic, caught.value.partition, caught.value.offset) == (topic, 0, 1)
            return
        assert [message.value for message in await read(consumer, 2)] == [Order(1, "a"), Order(2, "b")]
    if on_bad_value == "dlq":
        async with Consumer(f"{topic}-letters", broker, topics=[f"{topic}-dlq"], engine=engine) as consumer:
            [letter] = await read(consumer, 1)
        assert json.loads(letter.value)["offset"] == "1"
