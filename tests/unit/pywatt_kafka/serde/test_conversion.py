"""Whole records to bytes and back: sync and async functions, and the errors that name a record's place."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, cast

import pytest

from pywatt_kafka import Message, SerializationFailed
from pywatt_kafka.serde import Deserializers, Serializers, String, string_deserializers, string_serializers
from pywatt_kafka.serde.conversion import from_bytes, to_bytes
from pywatt_kafka.serde.protocols import Field

pytestmark = pytest.mark.anyio


RECORD = Message("orders", 3, 41, b"k", b"v", (("h", b"1"),), 0)


async def later(data: str, topic: str, field: Field) -> bytes:
    return f"{data} in {topic}".encode()


async def later_text(data: bytes | None, topic: str, field: Field, headers: Any) -> str:
    return f"{data!r} of {topic}.{field} with {dict(headers)}"


def no_bytes(*given: Any) -> Any:
    return "x"


def other_form(data: Any) -> Any:
    return b""


async def fails(*given: Any) -> Any:
    raise LookupError("no such schema")


async def finished(result: Any) -> Any:
    return await result if isinstance(result, Awaitable) else result


def test_plain_functions_give_bytes_at_once() -> None:
    assert to_bytes(string_serializers, "orders", "k", "v") == (b"k", b"v")
    assert to_bytes(string_serializers, "orders", None, None) == (None, None)
    assert from_bytes(string_deserializers, RECORD) == ("k", "v")


def test_a_key_that_is_none_is_not_serialized() -> None:
    serializers: Serializers[Any, Any] = Serializers(key=lambda data, topic, field: f"{data}".encode(), value=String())
    assert to_bytes(serializers, "orders", None, "v") == (None, b"v")


async def test_async_functions_are_awaited() -> None:
    assert await finished(to_bytes(Serializers(key=later, value=later), "t", "k", "v")) == (b"k in t", b"v in t")
    assert await finished(to_bytes(Serializers(key=String(), value=later), "t", "k", "v")) == (b"k", b"v in t")
    assert await finished(to_bytes(Serializers(key=later, value=String()), "t", "k", "v")) == (b"k in t", b"v")
    key, value = await finished(from_bytes(Deserializers(key=String(), value=later_text), RECORD))
    assert (key, value) == ("k", "b'v' of orders.value with {'h': b'1'}")


@pytest.mark.parametrize(
    ("serializers", "message"),
    [
        (string_serializers, "the value for topic t cannot be serialized: not a str but int"),
        (Serializers(key=String("ascii"), value=String()), "the key for topic t cannot be serialized: UnicodeEncodeE"),
        (
            Serializers(value=fails, key=later),
            "the value for topic t cannot be serialized: LookupError: no such schema",
        ),
        (Serializers(key=fails, value=later), "the key for topic t cannot be serialized: LookupError: no such schema"),
        (
            Serializers(key=String(), value=no_bytes),
            "the value for .* the serializer returned no bytes but str",
        ),
        (
            Serializers(key=String(), value=cast("Any", other_form)),
            r"the value for topic t cannot be serialized: .*takes 1 pos",
        ),
    ],
)
async def test_errors_name_field_and_topic(serializers: Serializers[Any, Any], message: str) -> None:
    with pytest.raises(SerializationFailed, match=message) as caught:
        await finished(to_bytes(serializers, "t", "ë", 1))
    assert (caught.value.topic, caught.value.partition, caught.value.offset) == ("t", None, None)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("deserializers", "field"),
    [
        (Deserializers(key=String(), value=String("utf-16")), "value"),
        (Deserializers[Any, Any](key=fails, value=later_text), "key"),
        (Deserializers[Any, Any](key=later_text, value=fails), "value"),
    ],
)
async def test_errors_of_reading_name_the_place(deserializers: Deserializers[Any, Any], field: str) -> None:
    with pytest.raises(SerializationFailed, match=rf"the {field} of orders\[3\] at offset 41 cannot be") as caught:
        await finished(from_bytes(deserializers, RECORD))
    assert (caught.value.topic, caught.value.partition, caught.value.offset) == ("orders", 3, 41)
    assert "on_bad_value" in caught.value.hint
    assert not caught.value.retriable
