"""Records from words, lines of text and lines of JSON (pure)."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.records import NO_TIMESTAMP, Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A record to write."""

    value: bytes | None
    key: bytes | None = None
    headers: tuple[Header, ...] = ()
    timestamp: int | None = None


def header(text: str) -> Header:
    """Return the header of `NAME=VALUE`, or of `NAME` without a value. Raises ValueError."""
    name, equals, value = text.partition("=")
    if not name:
        raise ValueError(f"{text!r} is no header: write NAME=VALUE")
    return name, value.encode() if equals else None


def record_from_line(line: bytes, separator: bytes | None) -> Record:
    """Return the record of a line; `separator` ends its key. Raises ValueError for a line without it."""
    if separator is None:
        return Record(value=line)
    key, found, value = line.partition(separator)
    if not found:
        raise ValueError(f"no {separator.decode()!r} that ends its key")
    return Record(key=key, value=value)


def record_from_json(line: bytes) -> Record:
    """Return the record of a line as `consume --json` prints them, but for its place. Raises ValueError."""
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if "value" not in document:
        raise ValueError('it has no "value"')
    return Record(
        key=_bytes(document.get("key")),
        value=_bytes(document["value"]),
        headers=tuple(_headers(document.get("headers") or {})),
        timestamp=_timestamp(document.get("timestamp")),
    )


def _headers(document: Any) -> list[Header]:
    if not isinstance(document, dict):
        raise ValueError('its "headers" are no JSON object')
    return [
        (name, _bytes(value))
        for name, values in document.items()
        for value in (values if isinstance(values, list) else [values])
    ]


def _bytes(value: Any) -> bytes | None:
    """Return text as UTF-8, `{"base64": ...}` as its bytes, other JSON as its text; None for null."""
    if value is None:
        return None
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if isinstance(value, dict) and value.keys() == {"base64"} and isinstance(value["base64"], str):
        try:
            return base64.b64decode(value["base64"], validate=True)
        except binascii.Error as error:
            raise ValueError(f"it is no base64: {error}") from error
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _timestamp(number: Any) -> int | None:
    if number is not None and (not isinstance(number, int) or isinstance(number, bool)):
        raise ValueError('its "timestamp" is no whole number')
    return None if number == NO_TIMESTAMP else number
