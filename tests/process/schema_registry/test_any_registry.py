"""Serdes with the registry at PYWATT_SCHEMA_REGISTRY (Confluent's, Karapace, Apicurio's ccompat), or the test's own."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Awaitable, Iterator
from typing import Any

import pytest
from harness.order_message import OrderMessage
from harness.schema_registry import http_registry

from pywatt_kafka.serde.registry import Avro, JsonSchema, Protobuf, SchemaRegistry

pytestmark = pytest.mark.anyio

VARIABLE = "PYWATT_SCHEMA_REGISTRY"
SCHEMA = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
JSON_SCHEMA = {"title": "Order", "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}


@pytest.fixture
def url() -> Iterator[str]:
    if named := os.environ.get(VARIABLE):
        yield named
    else:
        with http_registry() as running:
            yield running.url


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
async def test_another_client_reads_and_writes_by_the_registered_schema(url: str, make: Any, value: Any) -> None:
    topic = f"orders-{uuid.uuid4()}"
    written = await finished(make(SchemaRegistry(url)).serialize(value, topic, "value"))
    assert await finished(make(SchemaRegistry(url)).deserialize(written, topic, "value", ())) == value
    for options in ({"auto_register": False}, {"use_latest": True}):
        assert await finished(make(SchemaRegistry(url), **options).serialize(value, topic, "value")) == written
    other = make(SchemaRegistry(url), auto_register=False)
    with pytest.raises(Exception, match="404"):
        await finished(other.serialize(value, f"{topic}-unknown", "value"))
