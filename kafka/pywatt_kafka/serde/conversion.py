"""Keys and values of whole records to bytes and back, with the errors of this library; no I/O of its own.

Both functions return a result at once while serializers and deserializers do, and else an awaitable of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any, TypeAlias, TypeVar

from pywatt_kafka.errors import KafkaError, SerializationFailed
from pywatt_kafka.records import Message
from pywatt_kafka.serde.protocols import Field
from pywatt_kafka.serde.serializers import Deserializers, Serializers

K = TypeVar("K")
V = TypeVar("V")

KeyAndValue: TypeAlias = tuple[bytes | None, bytes | None]


def to_bytes(
    serializers: Serializers[K, V], topic: str, key: K | None, value: V | None
) -> KeyAndValue | Awaitable[KeyAndValue]:
    """Return the bytes of a record's key and value. A key that is None is not serialized: the record has none.

    Raises SerializationFailed, and KafkaUnavailable or NotAuthorized of a schema registry.
    """
    field: Field = "key"
    key_bytes: Any = None
    try:
        if key is not None:
            key_bytes = serializers.key(key, topic, field)
        field = "value"
        value_bytes: Any = serializers.value(value, topic, field)  # type: ignore[arg-type]
    except KafkaError:
        _discard(key_bytes)
        raise
    except Exception as error:
        _discard(key_bytes)
        raise _unwritable(error, topic, field) from error
    if _finished(key_bytes) and _finished(value_bytes):
        return key_bytes, value_bytes
    return _awaited_bytes(topic, key_bytes, value_bytes)


async def _awaited_bytes(topic: str, key: Any, value: Any) -> KeyAndValue:
    field: Field = "key"
    try:
        if _is_awaitable(key):
            key = await key
        _require_bytes(key)
        field = "value"
        if _is_awaitable(value):
            value = await value
        _require_bytes(value)
    except KafkaError:
        raise
    except Exception as error:
        raise _unwritable(error, topic, field) from error
    finally:
        _discard(value)
    return key, value


def from_bytes(deserializers: Deserializers[K, V], message: Message) -> tuple[K, V] | Awaitable[tuple[K, V]]:
    """Return the key and value of a record.

    Raises SerializationFailed for a bad record, and KafkaUnavailable or NotAuthorized of a schema registry, which say
    nothing of the record: it can be read later.
    """
    field: Field = "key"
    key: Any = None
    try:
        key = deserializers.key(message.key, message.topic, field, message.headers)
        field = "value"
        value: Any = deserializers.value(message.value, message.topic, field, message.headers)
    except KafkaError:
        _discard(key)
        raise
    except Exception as error:
        _discard(key)
        raise _unreadable(error, message, field) from error
    if _is_awaitable(key) or _is_awaitable(value):
        return _awaited_objects(message, key, value)
    return key, value


async def _awaited_objects(message: Message, key: Any, value: Any) -> tuple[Any, Any]:
    field: Field = "key"
    try:
        if _is_awaitable(key):
            key = await key
        field = "value"
        if _is_awaitable(value):
            value = await value
    except KafkaError:
        raise
    except Exception as error:
        raise _unreadable(error, message, field) from error
    finally:
        _discard(value)
    return key, value


def _finished(data: Any) -> bool:
    return data is None or type(data) is bytes


def _is_awaitable(result: object) -> bool:
    return hasattr(type(result), "__await__")


def _discard(result: object) -> None:
    """Close a coroutine, which may not have been awaited, as Python warns of those."""
    if isinstance(result, Coroutine):
        result.close()


def _require_bytes(data: Any) -> None:
    """Raise TypeError for the result of a serializer that is neither bytes nor None."""
    if not _finished(data):
        raise TypeError(f"the serializer returned no bytes but {type(data).__name__}")


def _unwritable(error: Exception, topic: str, field: Field) -> SerializationFailed:
    return SerializationFailed(
        f"the {field} for topic {topic} cannot be serialized: {_reason(error)}",
        topic=topic,
        hint=f"give a {field} that the serializer takes, or other serializers",
    )


def _unreadable(error: Exception, message: Message, field: Field) -> SerializationFailed:
    place = f"{message.topic}[{message.partition}] at offset {message.offset}"
    return SerializationFailed(
        f"the {field} of {place} cannot be deserialized: {_reason(error)}",
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        hint="choose on_bad_value='skip' or 'dlq' to read on, or deserializers that fit the topic",
    )


def _reason(error: Exception) -> str:
    text = str(error)
    return text if isinstance(error, TypeError) and text else f"{type(error).__name__}: {text}"
