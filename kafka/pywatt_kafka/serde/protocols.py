"""Protocols of serializers and deserializers: functions between bytes and the keys or values of records."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, Protocol, TypeAlias, TypeVar

from pywatt_kafka.records import Headers

Field: TypeAlias = Literal["key", "value"]

T = TypeVar("T")
Given_contra = TypeVar("Given_contra", contravariant=True)
Made_co = TypeVar("Made_co", covariant=True)


class Serializer(Protocol[Given_contra]):
    """Turns a key or value into the bytes of a record; a plain function or an async one.

    Any exception that it raises fails this record alone, as a SerializationFailed.
    """

    def __call__(self, data: Given_contra, topic: str, field: Field, /) -> bytes | Awaitable[bytes | None] | None:
        """Return the bytes; None for a record without a key, or for a tombstone."""
        ...


class Deserializer(Protocol[Made_co]):
    """Turns the bytes of a record into a key or value; a plain function or an async one.

    Any exception that it raises makes the record a bad value, which the consumer's `on_bad_value` decides on.
    """

    def __call__(
        self, data: bytes | None, topic: str, field: Field, headers: Headers, /
    ) -> Made_co | Awaitable[Made_co]:
        """Return the key or value; `data` None: the record has no key, or is a tombstone."""
        ...


class Serde(Protocol[T]):
    """A serializer and a deserializer of one type, such as `String()` or `Json(Order)`."""

    def serialize(self, data: T, topic: str, field: Field, /) -> bytes | Awaitable[bytes | None] | None:
        """Return the bytes of a key or value, as a Serializer does."""
        ...

    def deserialize(self, data: bytes | None, topic: str, field: Field, headers: Headers, /) -> T | Awaitable[T]:
        """Return the key or value that the bytes hold, as a Deserializer does."""
        ...
