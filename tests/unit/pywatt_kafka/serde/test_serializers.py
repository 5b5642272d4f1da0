"""Strings, bytes and JSON, and the pairs for a client."""

from __future__ import annotations

from typing import Any

import pytest

from pywatt_kafka.serde import (
    Bytes,
    Deserializers,
    Json,
    Serializers,
    String,
    bytes_deserializers,
    bytes_serializers,
    json_deserializers,
    json_serializers,
    string_deserializers,
    string_serializers,
)

SETS: list[tuple[Serializers[Any, Any], Deserializers[Any, Any], object, bytes]] = [
    (bytes_serializers, bytes_deserializers, b"\x00\xff", b"\x00\xff"),
    (string_serializers, string_deserializers, "Zoë ☃", "Zoë ☃".encode()),
    (json_serializers, json_deserializers, {"a": [1, "ë", None, 1.5]}, '{"a":[1,"ë",null,1.5]}'.encode()),
]


@pytest.mark.parametrize(("write", "read", "value", "data"), SETS)
def test_values_come_back(
    write: Serializers[Any, Any], read: Deserializers[Any, Any], value: object, data: bytes
) -> None:
    assert write.value(value, "t", "value") == data
    assert read.value(data, "t", "value", ()) == value


@pytest.mark.parametrize(("write", "read", "value", "data"), SETS)
def test_none_stays_none(
    write: Serializers[Any, Any], read: Deserializers[Any, Any], value: object, data: bytes
) -> None:
    assert write.value(None, "t", "value") is write.key(None, "t", "key") is None
    assert read.value(None, "t", "value", ()) is read.key(None, "t", "key", ()) is None


def test_json_keys_are_strings_without_quotes() -> None:
    assert json_serializers.key("user-123", "t", "key") == b"user-123"
    assert json_deserializers.key(b"user-123", "t", "key", ()) == "user-123"


def test_the_serde_that_is_left_out_takes_bytes() -> None:
    assert Serializers(value=String()).key(b"k", "t", "key") == b"k"
    assert Deserializers(key=String()).value(b"\xff", "t", "value", ()) == b"\xff"


def test_functions_serve_as_they_are() -> None:
    def shout(data: str, topic: str, field: str) -> bytes:
        return f"{topic}/{field}: {data}!".encode()

    assert Serializers(value=shout).value("hey", "t", "value") == b"t/value: hey!"


@pytest.mark.parametrize("data", [bytearray(b"ab"), memoryview(b"ab")])
def test_bytes_in_other_containers_become_bytes(data: bytearray | memoryview) -> None:
    written = Bytes().serialize(data, "t", "value")
    assert (written, type(written)) == (b"ab", bytes)


@pytest.mark.parametrize(
    ("serde", "value"),
    [
        (Bytes(), "text"),
        (Bytes(), 1),
        (String(), b"bytes"),
        (String("ascii"), "ë"),
        (Json(), {1, 2}),
        (Json(), float("nan")),
    ],
)
def test_other_types_are_refused(serde: Any, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        serde.serialize(value, "t", "value")


@pytest.mark.parametrize(("serde", "data"), [(String(), b"\xff"), (Json(), b"{"), (Json(), b"")])
def test_data_that_is_none_of_the_kind_is_refused(serde: Any, data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        serde.deserialize(data, "t", "value", ())


def test_an_unknown_encoding_is_refused_at_once() -> None:
    with pytest.raises(LookupError, match="utf-9"):
        String("utf-9")


def test_pairs_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="Serializers cannot be changed"):
        string_serializers.value = String().serialize
