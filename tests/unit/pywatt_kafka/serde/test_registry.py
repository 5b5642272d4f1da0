"""Avro, JSON Schema and Protobuf with a registry in memory (`mock://`): data, subjects, registration, readers."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Awaitable
from typing import Any

import msgspec
import pydantic
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from harness.order_message import OrderMessage

from pywatt_kafka import KafkaError
from pywatt_kafka.serde.registry import Avro, JsonSchema, Protobuf, SchemaRegistry, Subject

pytestmark = pytest.mark.anyio

SCHEMA = json.dumps(
    {
        "type": "record",
        "name": "Order",
        "namespace": "shop",
        "fields": [{"name": "id", "type": "long"}, {"name": "name", "type": "string", "default": "none"}],
    }
)
JSON_SCHEMA = {
    "title": "Order",
    "type": "object",
    "properties": {"id": {"type": "integer"}, "name": {"type": "string"}},
    "required": ["id"],
}


class Struct(msgspec.Struct):
    id: int
    name: str = "none"


class Model(pydantic.BaseModel):
    id: int
    name: str = "none"


@dataclasses.dataclass
class Record:
    id: int
    name: str = "none"


@pytest.fixture
def registry() -> SchemaRegistry:
    return SchemaRegistry("mock://here")


async def finished(result: Any) -> Any:
    return await result if isinstance(result, Awaitable) else result


async def round_trip(serde: Any, value: Any, topic: str = "orders") -> Any:
    data = await finished(serde.serialize(value, topic, "value"))
    assert data[0] == 0, "no magic byte"
    return await finished(serde.deserialize(data, topic, "value", (("h", b"1"),)))


def subjects(registry: SchemaRegistry) -> list[str]:
    with registry.requests_allowed():
        return sorted(registry.client.get_subjects())


@pytest.mark.parametrize("kind", [Struct, Model, Record])
async def test_typed_values_come_back(registry: SchemaRegistry, kind: Any) -> None:
    value = kind(id=7, name="ë")
    assert await round_trip(Avro(registry, SCHEMA, kind), value) == value
    assert await round_trip(JsonSchema(registry, kind=kind), value, "others") == value
    assert subjects(registry) == ["orders-value", "others-value"]


async def test_plain_data_comes_back(registry: SchemaRegistry) -> None:
    value = {"id": 7, "name": "ë"}
    assert await round_trip(Avro(registry, SCHEMA), value) == value
    assert await round_trip(JsonSchema(registry, JSON_SCHEMA), value, "others") == value


async def test_times_and_bytes_use_the_logical_types_of_avro(registry: SchemaRegistry) -> None:
    class Event(msgspec.Struct):
        at: dt.datetime
        data: bytes

    schema = {
        "type": "record",
        "name": "Event",
        "fields": [
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "data", "type": "bytes"},
        ],
    }
    value = Event(dt.datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=dt.UTC), b"\x00\xff")
    assert await round_trip(Avro(registry, json.dumps(schema), Event), value) == value


async def test_protobuf_messages_come_back(registry: SchemaRegistry) -> None:
    value = OrderMessage(id=7, name="ë")
    assert await round_trip(Protobuf(registry, OrderMessage), value) == value
    with pytest.raises(ValueError, match="message must be of type"):
        await finished(Protobuf(registry, OrderMessage).serialize(StringValue(), "t", "value"))


@pytest.mark.parametrize("make", [Avro, JsonSchema, lambda registry: Protobuf(registry, OrderMessage)])
def test_none_is_none(registry: SchemaRegistry, make: Any) -> None:
    serde = make(registry)
    assert serde.serialize(None, "t", "value") is serde.deserialize(None, "t", "value", ()) is None


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("topic", "orders-value"),
        ("record", "shop.Order"),
        ("topic-record", "orders-shop.Order"),
        (lambda topic, field, record: f"{field}.{topic}.{record}", "value.orders.shop.Order"),
    ],
)
async def test_subjects(registry: SchemaRegistry, subject: Subject, name: str) -> None:
    await round_trip(Avro(registry, SCHEMA, subject=subject), {"id": 1})
    assert subjects(registry) == [name]


def test_an_unknown_subject_is_refused(registry: SchemaRegistry) -> None:
    with pytest.raises(ValueError, match="'topics'; it must be 'topic', 'record', 'topic-record' or a function"):
        Avro(registry, SCHEMA, subject="topics")  # type: ignore[call-overload]


async def test_keys_and_values_have_subjects_of_their_own(registry: SchemaRegistry) -> None:
    serde = Avro(registry, '{"type": "string"}')
    for field in ("key", "value"):
        assert await finished(serde.serialize("x", "orders", field))
    assert subjects(registry) == ["orders-key", "orders-value"]


async def test_without_auto_register_the_schema_must_be_known(registry: SchemaRegistry) -> None:
    with pytest.raises(Exception, match=r"40[0-9]+"):
        await finished(Avro(registry, SCHEMA, auto_register=False).serialize({"id": 1}, "orders", "value"))
    assert subjects(registry) == []
    await round_trip(Avro(registry, SCHEMA), {"id": 1})
    known = Avro(registry, SCHEMA, auto_register=False)
    assert (await round_trip(known, {"id": 2}))["id"] == 2


async def test_a_reader_without_a_schema_reads_what_was_written_and_writes_only_the_latest(
    registry: SchemaRegistry,
) -> None:
    data = await finished(Avro(registry, SCHEMA).serialize({"id": 1}, "orders", "value"))
    reader = Avro(registry)
    assert await finished(reader.deserialize(data, "orders", "value", ())) == {"id": 1, "name": "none"}
    with pytest.raises(ValueError, match="this Avro serde only reads"):
        await finished(reader.serialize({"id": 1}, "orders", "value"))
    assert await finished(Avro(registry, use_latest=True).serialize({"id": 1}, "orders", "value")) == data


async def test_a_reader_with_another_schema_gets_its_defaults(registry: SchemaRegistry) -> None:
    data = await finished(Avro(registry, SCHEMA).serialize({"id": 1, "name": "x"}, "orders", "value"))
    schema = json.loads(SCHEMA)
    schema["fields"].append({"name": "total", "type": "double", "default": 2.5})
    reader = Avro(registry, json.dumps(schema))
    assert await finished(reader.deserialize(data, "orders", "value", ())) == {"id": 1, "name": "x", "total": 2.5}


@pytest.mark.parametrize("value", [{"id": "seven"}, {}, 7])
async def test_data_that_does_not_fit_is_refused(registry: SchemaRegistry, value: Any) -> None:
    for serde in (Avro(registry, SCHEMA), JsonSchema(registry, JSON_SCHEMA)):
        with pytest.raises(Exception, match=r".") as caught:
            await finished(serde.serialize(value, "orders", "value"))
        assert not isinstance(caught.value, KafkaError)


@pytest.mark.parametrize("data", [b"", b"plain", b"\x01\x00\x00\x00\x01abc", b"\x00\x00\x00\x00\x63abc"])
async def test_bytes_without_a_known_schema_are_refused(registry: SchemaRegistry, data: bytes) -> None:
    for serde in (Avro(registry), JsonSchema(registry, JSON_SCHEMA), Protobuf(registry, OrderMessage)):
        with pytest.raises(Exception, match=r".") as caught:
            await finished(serde.deserialize(data, "orders", "value", ()))
        assert not isinstance(caught.value, KafkaError)


def test_options_are_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCHEMA_REGISTRY_URL", raising=False)
    with pytest.raises(KafkaError, match="no schema registry is given: there is no url, and SCHEMA_REGISTRY_URL is"):
        SchemaRegistry()
    with pytest.raises(KafkaError, match="a username or a token, not both"):
        SchemaRegistry("http://127.0.0.1:1", username="a", token="b")
    with pytest.raises(KafkaError, match=r"cannot be used: Unrecognized properties: no\.such"):
        SchemaRegistry("http://127.0.0.1:1", options={"no.such": 1})
    with pytest.raises(KafkaError, match="cannot be used: Invalid url ftp://x"):
        SchemaRegistry("ftp://x")
