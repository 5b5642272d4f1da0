"""Serdes with Apicurio Registry, with the one at PYWATT_SCHEMA_REGISTRY (Confluent's, Karapace), and the tests' own."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from harness.apicurio import FETCH_LIMIT, START_LIMIT, apicurio
from harness.order_message import OrderMessage
from harness.schema_registry import http_registry

from pywatt_kafka import SerializationFailed, Serializers
from pywatt_kafka.serde.conversion import to_bytes
from pywatt_kafka.serde.registry import Avro, JsonSchema, Protobuf, SchemaRegistry

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(FETCH_LIMIT + START_LIMIT)]

VARIABLE = "PYWATT_SCHEMA_REGISTRY"
SCHEMA = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
JSON_SCHEMA = {"title": "Order", "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


@pytest.fixture(scope="module")
def real() -> Iterator[str]:
    """The address of a real registry."""
    if named := os.environ.get(VARIABLE):
        yield named
    else:
        with apicurio() as url:
            yield url


@pytest.fixture(params=["real", "own"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "real":
        yield request.getfixturevalue("real")
    else:
        with http_registry() as running:
            yield running.url


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], SchemaRegistry]]:
    """Return a function that makes another client of the registry, closed at the end."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(SchemaRegistry(url))


async def finished(result: Any) -> Any:
    return await result if isinstance(result, Awaitable) else result


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda registry, **options: Avro(registry, SCHEMA, **options), {"id": 7}),
        (lambda registry, **options: JsonSchema(registry, JSON_SCHEMA, **options), {"id": 7}),
        (lambda registry, **options: Protobuf(registry, OrderMessage, **options), OrderMessage(id=7)),
    ],
    ids=["avro", "json", "protobuf"],
)
async def test_another_client_reads_and_writes_by_the_registered_schema(
    connect: Callable[[], SchemaRegistry], make: Any, value: Any
) -> None:
    topic = f"orders-{uuid.uuid4()}"
    written = await finished(make(connect()).serialize(value, topic, "value"))
    assert await finished(make(connect()).deserialize(written, topic, "value", ())) == value
    for options in ({"auto_register": False}, {"use_latest": True}):
        assert await finished(make(connect(), **options).serialize(value, topic, "value")) == written
    other = make(connect(), auto_register=False)
    with pytest.raises(Exception, match="404"):
        await finished(other.serialize(value, f"{topic}-unknown", "value"))


async def test_a_schema_that_does_not_fit_the_subject_is_refused_by_a_real_registry(real: str) -> None:
    topic = f"orders-{uuid.uuid4()}"
    narrower = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "total", "type": "double"}]})
    wider = json.loads(SCHEMA)
    wider["fields"].append({"name": "note", "type": "string", "default": ""})
    with SchemaRegistry(real) as registry:
        await finished(Avro(registry, SCHEMA).serialize({"id": 7}, topic, "value"))
        with registry.requests_allowed():
            registry.client.set_compatibility(f"{topic}-value", "BACKWARD")
        serializers = Serializers(value=Avro(registry, narrower))
        with pytest.raises(SerializationFailed):
            await finished(to_bytes(serializers, topic, None, {"total": 1.5}))
        written = await finished(Avro(registry, json.dumps(wider)).serialize({"id": 8, "note": "n"}, topic, "value"))
        assert await finished(Avro(registry, SCHEMA).deserialize(written, topic, "value", ())) == {"id": 8}
