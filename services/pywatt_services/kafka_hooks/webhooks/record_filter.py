"""Filters the records of a target: conditions on headers, on the key and on values inside the JSON value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.webhooks.json_path import MISSING, JsonPath, document_of, find, read_path
from pywatt_services.kafka_hooks.wire.headers import first_header

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Conditions on one value; all that are not None must hold."""

    is_in: tuple[Scalar, ...] | None = None
    is_not_in: tuple[Scalar, ...] | None = None
    exists: bool | None = None

    def holds(self, value: Any) -> bool:
        """Tell whether a value, or MISSING, meets the condition."""
        if self.exists is not None and (value is not MISSING) != self.exists:
            return False
        if self.is_in is not None and not _among(value, self.is_in):
            return False
        return self.is_not_in is None or not _among(value, self.is_not_in)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Conditions that must all hold."""

    headers: tuple[tuple[str, Condition], ...] = ()
    """Conditions by name, in lower case; a record's first header of that name counts."""
    key: Condition | None = None
    json: tuple[tuple[JsonPath, Condition], ...] = ()

    def takes(self, message: Message) -> bool:
        """Tell whether a record is for the target."""
        if self.key is not None and not self.key.holds(_text(message.key)):
            return False
        if not all(condition.holds(_text(first_header(message.headers, name))) for name, condition in self.headers):
            return False
        if not self.json:
            return True
        document = document_of(message)
        return all(condition.holds(find(document, path)) for path, condition in self.json)


def read_filter(entry: Mapping[str, Any]) -> RecordFilter:
    """Read a filter from a document. Raises ValueError."""
    return RecordFilter(
        headers=tuple((name.lower(), _condition(asked)) for name, asked in entry.get("headers", {}).items()),
        key=_condition(entry["key"]) if "key" in entry else None,
        json=tuple((read_path(path), _condition(asked)) for path, asked in entry.get("json", {}).items()),
    )


def _condition(asked: Any) -> Condition:
    if isinstance(asked, dict):
        return Condition(
            is_in=_scalars(asked["in"]) if "in" in asked else None,
            is_not_in=_scalars(asked["not"]) if "not" in asked else None,
            exists=asked.get("exists"),
        )
    return Condition(is_in=_scalars(asked))


def _scalars(asked: Any) -> tuple[Scalar, ...]:
    return tuple(asked) if isinstance(asked, list) else (asked,)


def _among(value: Any, scalars: Iterable[Scalar]) -> bool:
    # True equals 1 in Python, in JSON it does not
    return any(value == each and isinstance(value, bool) == isinstance(each, bool) for each in scalars)


def _text(value: bytes | None) -> Any:
    if value is None:
        return MISSING
    return value.decode("utf-8", "replace")
