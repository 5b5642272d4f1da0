"""Checks the fields of a record to write, so that a wrong one is an error of this record alone, and at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Required, TypeAlias, TypedDict

from pywatt_kafka.errors import InvalidRecord
from pywatt_kafka.records import Header

HeadersToSend: TypeAlias = Mapping[str, str | bytes | None] | Iterable[tuple[str, str | bytes | None]]
"""Headers by name, or pairs, in which a name may come again; a str is written in UTF-8."""

LATEST_TIMESTAMP = 2**63 - 1
LARGEST_PARTITION = 2**31 - 1


class ProducerRecord(TypedDict, total=False):
    """A record for `Producer.send(messages=[...])`; only the topic is required."""

    topic: Required[str]
    value: Any
    """None or left out: a tombstone, which needs a key."""
    key: Any
    headers: HeadersToSend
    partition: int | None
    timestamp: int | None
    """Milliseconds since 1970 (UTC); None or left out: the time of writing."""


FIELDS = frozenset(ProducerRecord.__annotations__)


def check_fields(record: Mapping[str, Any]) -> None:
    """Raise InvalidRecord for a message of `send(messages=[...])` without a topic, or with an unknown field."""
    if not isinstance(record, Mapping):
        raise InvalidRecord(
            f"a message must be a mapping, not {type(record).__name__}", hint='write {"topic": ..., "value": ...}'
        )
    if "topic" not in record:
        raise InvalidRecord("a message has no topic", hint='write {"topic": ..., "value": ...}')
    if unknown := record.keys() - FIELDS:
        raise InvalidRecord(
            f"a message for topic {record['topic']} has a field {min(unknown, key=str)!r}",
            hint=f"the fields are {', '.join(sorted(FIELDS))}",
        )


def headers_from(given: HeadersToSend, topic: str) -> list[Header]:
    """Return headers as pairs of str and bytes. Raises InvalidRecord."""
    pairs: Iterable[Any] = given.items() if isinstance(given, Mapping) else given
    headers: list[Header] = []
    try:
        for name, value in pairs:
            if not isinstance(name, str):
                raise TypeError(f"the name of a header must be a str, not {type(name).__name__}")
            name.encode()
            if value is None or type(value) is bytes:
                headers.append((name, value))
            elif isinstance(value, str):
                headers.append((name, value.encode()))
            elif isinstance(value, bytes | bytearray | memoryview):
                headers.append((name, bytes(value)))
            else:
                raise TypeError(f"the header {name!r} must be bytes, a str or None, not {type(value).__name__}")
    except (TypeError, ValueError) as error:  # pairs that are none, names that have no UTF-8
        raise InvalidRecord(
            f"writing to topic {topic}: {error}", hint='headers are {"name": value, ...} or [("name", value), ...]'
        ) from error
    return headers


def check_number(given: object, topic: str, name: str, largest: int) -> None:
    """Raise InvalidRecord unless a partition or timestamp is an int of that size."""
    if isinstance(given, int) and -1 - largest <= given <= largest:
        return
    raise InvalidRecord(
        f"writing to topic {topic}: {name} is {given!r}", hint=f"{name} is an int, or None to leave it to the client"
    )
