"""Encodes several records in one request, and decodes which of them the target did not take; pure.

The request's body is `{"records": [...]}`, each record with its position, id, key, headers and value. The target
answers 2xx, and lists the records that it did not take by index: `{"failed": [0, 3]}`, or
`{"failed": [{"index": 0, "status": 422}]}` with a status. Any other status refuses them all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.json_bytes import headers_by_name, text_fields
from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.wire.content_codings import CodingError, codings_of, decoded
from pywatt_services.kafka_hooks.wire.headers import RawHeaders, webhook_name

REFUSED = 500
"""Status of a record that was not taken, where the target does not say another."""
STATUSES = range(300, 600)
RESPONSE_LIMIT = 16 * 1024 * 1024  # bytes of an answer without its content coding


class UnreadableResponse(ValueError):
    """The target may have named records that it did not take, but it cannot be told which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleOptions:
    """Limits of a bundle."""

    records: int
    """Maximum number of records."""
    wait: float = 0.05
    """Seconds that the first of them waits for more."""
    size: int = 1024 * 1024
    """Bytes of keys and values above which no further record is added."""


def bundle_body(records: Iterable[tuple[Message, str, int]]) -> bytes:
    """Return the body for records, each with its id and the number of its attempt."""
    document = {"records": [_record(message, id_, attempt) for message, id_, attempt in records]}
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def refused_records(headers: RawHeaders, body: bytes, count: int) -> Mapping[int, int]:
    """Return the statuses of the records that were not taken, by index; all of them when `failed` makes no sense.

    Raises UnreadableResponse for a body that may name them in a way that cannot be read.
    """
    if not body:
        return {}
    try:
        body = decoded(body, codings_of(headers), RESPONSE_LIMIT).strip()
    except CodingError as error:
        raise UnreadableResponse(str(error)) from error
    if not body:
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        if not _is_plain_text(headers, body):
            raise UnreadableResponse(f"its body is neither text nor JSON: {error}") from error
        return {}  # such as "ok"
    if not isinstance(document, dict) or "failed" not in document:
        return {}
    try:
        return dict(_refusal(entry, count) for entry in document["failed"])
    except (TypeError, ValueError, KeyError):
        return dict.fromkeys(range(count), REFUSED)


def _is_plain_text(headers: RawHeaders, body: bytes) -> bool:
    """Tell whether a body that is not JSON was not meant to be: half an object may have lost its `failed`."""
    if body.startswith((b"{", b"[", b"\xef\xbb\xbf")) or any(
        name == b"content-type" and b"json" in value.lower() for name, value in headers
    ):
        return False
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def weight(message: Message) -> int:
    """Return the bytes by which a record enlarges a bundle."""
    return len(message.value or b"") + len(message.key or b"")


def _refusal(entry: Any, count: int) -> tuple[int, int]:
    index, status = (entry["index"], entry.get("status", REFUSED)) if isinstance(entry, dict) else (entry, REFUSED)
    if type(index) is not int or type(status) is not int or index not in range(count) or status not in STATUSES:
        raise ValueError(f"no record that failed: {entry!r}")
    return index, status


def _record(message: Message, id_: str, attempt: int) -> dict[str, Any]:
    return {
        "id": id_,
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.timestamp,
        "attempt": attempt,
        **text_fields("key", message.key),
        "headers": headers_by_name(
            (name.decode("ascii"), value)
            for header, value in message.headers
            if value is not None and (name := webhook_name(header)) is not None
        ),
        **text_fields("value", message.value),
    }
