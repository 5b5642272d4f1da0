"""Pairs of serializers, or deserializers, for the keys and values of a client."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, overload

from pywatt_kafka.serde.json_serde import Json
from pywatt_kafka.serde.primitives import Bytes, String
from pywatt_kafka.serde.protocols import Deserializer, Serde, Serializer

K = TypeVar("K")
V = TypeVar("V")
Only = TypeVar("Only")  # the one that is given

_BYTES = Bytes()


class Serializers(Generic[K, V]):
    """The serializers of a producer; immutable, so that producers may share one.

    Serializers(key=String(), value=Json(Order))
    Serializers(value=lambda data, topic, field: data.encode())
    """

    __slots__ = ("key", "value")
    key: Serializer[K]
    value: Serializer[V]

    @overload
    def __init__(self: Serializers[bytes | None, bytes | None]) -> None: ...
    @overload
    def __init__(self: Serializers[Only, bytes | None], *, key: Serializer[Only] | Serde[Only]) -> None: ...
    @overload
    def __init__(self: Serializers[bytes | None, Only], *, value: Serializer[Only] | Serde[Only]) -> None: ...
    @overload
    def __init__(self, *, key: Serializer[K] | Serde[K], value: Serializer[V] | Serde[V]) -> None: ...
    def __init__(self, *, key: Any = _BYTES, value: Any = _BYTES) -> None:
        """`key`, `value`: a function, or a serde, whose `serialize` is used; bytes as they are by default."""
        object.__setattr__(self, "key", getattr(key, "serialize", key))
        object.__setattr__(self, "value", getattr(value, "serialize", value))

    def __setattr__(self, name: str, value: object) -> None:
        """Raise AttributeError."""
        raise AttributeError(f"{type(self).__name__} cannot be changed")


class Deserializers(Generic[K, V]):
    """The deserializers of a consumer; immutable, so that consumers may share one.

    Deserializers(key=String(), value=Json(Order))
    Deserializers(value=lambda data, topic, field, headers: data.decode())
    """

    __slots__ = ("key", "value")
    key: Deserializer[K]
    value: Deserializer[V]

    @overload
    def __init__(self: Deserializers[bytes | None, bytes | None]) -> None: ...
    @overload
    def __init__(self: Deserializers[Only, bytes | None], *, key: Deserializer[Only] | Serde[Only]) -> None: ...
    @overload
    def __init__(self: Deserializers[bytes | None, Only], *, value: Deserializer[Only] | Serde[Only]) -> None: ...
    @overload
    def __init__(self, *, key: Deserializer[K] | Serde[K], value: Deserializer[V] | Serde[V]) -> None: ...
    def __init__(self, *, key: Any = _BYTES, value: Any = _BYTES) -> None:
        """`key`, `value`: a function, or a serde, whose `deserialize` is used; bytes as they are by default."""
        object.__setattr__(self, "key", getattr(key, "deserialize", key))
        object.__setattr__(self, "value", getattr(value, "deserialize", value))

    def __setattr__(self, name: str, value: object) -> None:
        """Raise AttributeError."""
        raise AttributeError(f"{type(self).__name__} cannot be changed")


bytes_serializers = Serializers()
"""Keys and values are bytes, and are written as they are."""
bytes_deserializers = Deserializers()
string_serializers = Serializers(key=String(), value=String())
"""Keys and values are strings in UTF-8."""
string_deserializers = Deserializers(key=String(), value=String())
json_serializers = Serializers(key=String(), value=Json())
"""Keys are strings in UTF-8, values any data that JSON can express."""
json_deserializers = Deserializers(key=String(), value=Json())
