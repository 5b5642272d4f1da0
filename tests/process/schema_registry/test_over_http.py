"""Serdes with a registry over HTTP: the event loop is never blocked, requests are shared, failures are told apart."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.certificates import Authority
from harness.order_message import OrderMessage
from harness.schema_registry import HttpRegistry, http_registry

from pywatt_kafka import ClientClosed, KafkaUnavailable, NotAuthorized, SerializationFailed, Serializers, Tls
from pywatt_kafka.serde.conversion import to_bytes
from pywatt_kafka.serde.registry import Avro, JsonSchema, Protobuf, SchemaRegistry

pytestmark = pytest.mark.anyio

SCHEMA = json.dumps({"type": "record", "name": "Order", "fields": [{"name": "id", "type": "long"}]})
JSON_SCHEMA = {"title": "Order", "type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
NO_RETRIES = {"max.retries": 0}
FORMATS: list[tuple[Any, Any]] = [
    (lambda registry: Avro(registry, SCHEMA), {"id": 7}),
    (lambda registry: JsonSchema(registry, JSON_SCHEMA), {"id": 7}),
    (lambda registry: Protobuf(registry, OrderMessage), OrderMessage(id=7)),
]


@pytest.fixture
def server() -> Iterator[HttpRegistry]:
    with http_registry() as running:
        yield running


async def finished(result: Any) -> Any:
    return await result if isinstance(result, Awaitable) else result


@pytest.mark.parametrize(("make", "value"), FORMATS)
async def test_only_the_first_call_asks_the_registry_and_in_a_thread(
    server: HttpRegistry, make: Any, value: Any
) -> None:
    writer, reader = make(SchemaRegistry(server.url)), make(SchemaRegistry(server.url))
    server.open.clear()
    waiting = [asyncio.ensure_future(writer.serialize(value, "orders", "value")) for _ in range(100)]
    assert await asyncio.to_thread(server.asked.wait, 10)
    assert not any(each.done() for each in waiting)
    server.open.set()
    written = await asyncio.gather(*waiting)
    assert len(set(written)) == 1
    assert server.requests == ["POST /subjects/orders-value/versions?normalize=False"]
    assert writer.serialize(value, "orders", "value") == written[0], "not at once"

    reading = [asyncio.ensure_future(reader.deserialize(data, "orders", "value", ())) for data in written]
    assert await asyncio.gather(*reading) == [value] * 100
    assert [line.partition("?")[0] for line in server.requests[1:]] == ["GET /schemas/ids/1"]
    assert reader.deserialize(written[0], "orders", "value", ()) == value, "not at once"


async def test_a_caller_that_is_cancelled_ends_no_other(server: HttpRegistry) -> None:
    serde = Avro(SchemaRegistry(server.url), SCHEMA)
    server.open.clear()
    first, second = (asyncio.ensure_future(finished(serde.serialize({"id": 1}, "orders", "value"))) for _ in "ab")
    assert await asyncio.to_thread(server.asked.wait, 10)
    first.cancel()
    server.open.set()
    assert await second
    assert first.cancelled()


async def test_a_closed_registry_knows_only_its_cache(server: HttpRegistry) -> None:
    with SchemaRegistry(server.url) as registry:
        serde = Avro(registry, SCHEMA)
        written = await finished(serde.serialize({"id": 1}, "orders", "value"))
    registry.close()
    assert await finished(serde.serialize({"id": 1}, "orders", "value")) == written
    with pytest.raises(ClientClosed):
        await finished(serde.serialize({"id": 1}, "invoices", "value"))


async def test_data_that_does_not_fit_fails_alone(server: HttpRegistry) -> None:
    serde = Avro(SchemaRegistry(server.url), SCHEMA)
    values: list[Any] = [{"id": "seven"}, {"id": 1}, {}, {"id": 2}]
    results = await asyncio.gather(
        *(finished(serde.serialize(value, "orders", "value")) for value in values), return_exceptions=True
    )
    assert [isinstance(result, bytes) for result in results] == [False, True, False, True]


@pytest.mark.parametrize(
    ("status", "error"), [(503, KafkaUnavailable), (401, NotAuthorized), (409, SerializationFailed)]
)
async def test_failures_of_the_registry_are_not_those_of_the_value(
    server: HttpRegistry, status: int, error: type[Exception]
) -> None:
    serializers = Serializers(value=Avro(SchemaRegistry(server.url, options=NO_RETRIES), SCHEMA))
    server.status = status
    with pytest.raises(error) as caught:
        await finished(to_bytes(serializers, "orders", None, {"id": 1}))
    assert type(caught.value) is error
    server.status = None
    assert await finished(to_bytes(serializers, "orders", None, {"id": 1}))


async def test_a_registry_that_is_away_is_named(server: HttpRegistry, free_tcp_port: int) -> None:
    url = f"http://127.0.0.1:{free_tcp_port}"
    serde = Avro(SchemaRegistry(url, options=NO_RETRIES), SCHEMA)
    calls = [finished(serde.serialize({"id": 1}, "orders", "value")) for _ in range(10)]
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} == {KafkaUnavailable}
    assert f"the schema registry {url} does not answer: " in str(results[0])


@pytest.mark.parametrize(
    ("login", "header"),
    [
        ({"username": "ann", "password": "s:cret"}, f"Basic {base64.b64encode(b'ann:s:cret').decode()}"),
        ({"token": "abc"}, "Bearer abc"),
        ({"token": lambda: "made"}, "Bearer made"),
    ],
)
async def test_logins(server: HttpRegistry, login: Any, header: str) -> None:
    server.authorization = header
    assert await finished(Avro(SchemaRegistry(server.url, **login), SCHEMA).serialize({"id": 1}, "orders", "value"))
    with pytest.raises(NotAuthorized, match="refuses this client: who are you"):
        await finished(Avro(SchemaRegistry(server.url), SCHEMA).serialize({"id": 1}, "orders", "value"))


async def test_tls_with_a_client_certificate(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("registry")
    client_cert, client_key = authority.issue("client", password="pass")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(cert, key)
    tls.load_verify_locations(authority.file)
    tls.verify_mode = ssl.CERT_REQUIRED
    own: dict[str, Any] = {"cert": str(client_cert), "key": str(client_key), "key_password": "pass"}
    with http_registry(tls) as server:
        for options in (Tls(ca=str(authority.file), **own), Tls(verify=False, **own)):
            registry = SchemaRegistry(server.url, tls=options)
            assert await finished(Avro(registry, SCHEMA).serialize({"id": 1}, "orders", "value"))
        for options in (Tls(**own), Tls(ca=str(authority.file))):
            registry = SchemaRegistry(server.url, tls=options, options=NO_RETRIES)
            with pytest.raises(KafkaUnavailable):
                await finished(Avro(registry, SCHEMA).serialize({"id": 1}, "orders", "value"))
