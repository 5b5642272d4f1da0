"""Decodes many records of one request: a JSON array, or one JSON object per line, each with its own content type.

An entry is `{"value": <any JSON>}`, `{"text": "..."}` or `{"base64": "..."}`, with `key` (or `keyBase64`), `headers`
and `partition` where wanted. `"value": null` with a key is a record without a value.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pywatt_services.kafka_hooks.wire.headers import CONTENT_TYPE

ARRAY = b"application/vnd.pywatt.records+json"
LINES = b"application/vnd.pywatt.records+ndjson"
TYPES = frozenset({ARRAY, LINES})
MAX_RECORDS = 10_000

_VALUES = ("value", "text", "base64")
_KNOWN = frozenset({*_VALUES, "key", "keyBase64", "headers", "partition"})


class BatchError(ValueError):
    """An invalid batch; the message names the entry and the problem."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One record to write."""

    value: bytes | None
    key: bytes | None
    headers: list[tuple[str, bytes]]
    """Headers as given; `RecordHeaders` chooses the record's."""
    partition: int | None


def media_type(content_type: bytes) -> bytes:
    """Return a content type without its parameters, in lower case."""
    return content_type.partition(b";")[0].strip().lower()


def read_batch(kind: bytes, body: bytes) -> list[BatchRecord]:
    """Return the records of a body with the content type `kind`. Raises BatchError."""
    entries: Any
    try:
        entries = [_parse(line) for line in body.split(b"\n") if line.strip()] if kind == LINES else _parse(body)
    except (ValueError, RecursionError) as error:
        raise BatchError(f"the body is not JSON: {error}") from error
    if not isinstance(entries, list):
        raise BatchError("the body is not a JSON array")
    if not entries:
        raise BatchError("the body has no records")
    if len(entries) > MAX_RECORDS:
        raise BatchError(f"the body has {len(entries)} records, {MAX_RECORDS} are allowed")
    return [_entry(number, entry) for number, entry in enumerate(entries)]


def _parse(text: bytes) -> Any:
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _entry(number: int, entry: Any) -> BatchRecord:
    if not isinstance(entry, dict):
        raise BatchError(f"record {number} is not a JSON object")
    if unknown := entry.keys() - _KNOWN:
        raise BatchError(f"record {number} has the unknown field {min(unknown)!r}")
    given = [name for name in _VALUES if name in entry]
    if len(given) != 1:
        raise BatchError(f"record {number} needs one of value, text and base64")
    key = _key(number, entry)
    value, content_type = _value(number, given[0], entry[given[0]])
    if value is None and key is None:
        raise BatchError(f"record {number} needs a key, as it has no value")
    headers = _headers(number, entry.get("headers", {}))
    if value is not None and all(name != CONTENT_TYPE for name, _ in headers):
        headers.insert(0, (CONTENT_TYPE, content_type))
    partition = entry.get("partition")
    if partition is not None and (type(partition) is not int or partition < 0):
        raise BatchError(f"record {number}: partition is not a number from 0 on")
    return BatchRecord(value, key, headers, partition)


def _value(number: int, kind: str, given: Any) -> tuple[bytes | None, bytes]:
    if kind == "value":
        if given is None:
            return None, b""
        return _utf8(number, json.dumps(given, ensure_ascii=False, separators=(",", ":"))), b"application/json"
    if not isinstance(given, str):
        raise BatchError(f"record {number}: {kind} is not a string")
    if kind == "text":
        return _utf8(number, given), b"text/plain; charset=utf-8"
    return _decode(number, kind, given), b"application/octet-stream"


def _key(number: int, entry: Mapping[str, Any]) -> bytes | None:
    text, encoded = entry.get("key"), entry.get("keyBase64")
    if text is not None and encoded is not None:
        raise BatchError(f"record {number} has both key and keyBase64")
    for name, given in (("key", text), ("keyBase64", encoded)):
        if given is not None and not isinstance(given, str):
            raise BatchError(f"record {number}: {name} is not a string")
    if encoded is not None:
        return _decode(number, "keyBase64", encoded)
    return None if text is None else _utf8(number, text)


def _headers(number: int, given: Any) -> list[tuple[str, bytes]]:
    if not isinstance(given, dict) or any(not isinstance(value, str) for value in given.values()):
        raise BatchError(f"record {number}: headers is not an object with strings")
    for name in given:
        _utf8(number, name)
    return [(name.lower(), _utf8(number, value)) for name, value in given.items()]


def _utf8(number: int, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise BatchError(f"record {number} has half a surrogate pair in a string") from error


def _decode(number: int, name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BatchError(f"record {number}: {name} is not valid base64") from error
