"""Encodes and decodes dead letters: one JSON object in two formats, as kafka-hooks writes them."""

from __future__ import annotations

import base64
import binascii
import enum
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from pywatt_kafka.dlq.dead_letter import DeadLetter, NotADeadLetter
from pywatt_kafka.json_bytes import base64_text, headers_by_name, text_fields
from pywatt_kafka.records import Header, Message

KEPT_BODY = 4096  # bytes of a webhook's answer that a dead letter shows
MOST_BRACKETS = 500
"""In a body that is shown as JSON: each may be a level, and the JSON encoder's depth is limited."""
OMITTED = {"omitted": ["key", "value", "headers"]}
NO_ANSWER = 499  # the original's status for an attempt without an answer


class DeadLetterFormat(enum.Enum):
    """The shape of a dead letter's JSON."""

    ORIGINAL = "original"
    """The format of @platformatic/kafka-hooks: key, value, headers, topic, partition, offset, errors, retries."""
    SIMPLE = "simple"
    """The format of its guide: originalTopic, originalMessage, error, retryCount, timestamp."""


class FailedAttempt(Protocol):
    """One failed attempt at a webhook."""

    @property
    def number(self) -> int:
        """Number from 1."""
        ...

    @property
    def requested_at(self) -> float:
        """Seconds since 1970."""
        ...

    @property
    def status(self) -> int | None:
        """Status of the answer; None without an answer."""
        ...

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Headers of the answer, with names in lower case."""
        ...

    @property
    def body(self) -> bytes:
        """Body of the answer, which may be cut off."""
        ...

    @property
    def outcome(self) -> str:
        """Outcome in words."""
        ...

    @property
    def phrase(self) -> str:
        """Reason phrase of the status."""
        ...


def encode(
    message: Message,
    failures: Sequence[FailedAttempt],
    form: DeadLetterFormat,
    *,
    attempts: int,
    now: float,
    webhook_id: str,
    target: Mapping[str, str],
    whole: bool = True,
) -> bytes:
    """Return the JSON of a dead letter; `failures` are the last of the `attempts` at a target.

    `webhook_id`: that of the record. `target`: the fields that name the target. `whole`: False for a record too large
    for the broker: then the letter holds only its position and its failures, and `omitted` names the rest, which the
    record in its own topic still has.
    """
    build = _encode_original if form is DeadLetterFormat.ORIGINAL else _encode_simple
    document = build(message, failures, attempts=attempts, now=now, whole=whole)
    document |= target
    document["webhookId"] = webhook_id
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _encode_original(
    message: Message, failures: Sequence[FailedAttempt], *, attempts: int, now: float, whole: bool
) -> dict[str, Any]:
    return {
        **({} if message.key is None or not whole else text_fields("key", message.key)),
        "value": None if message.value is None or not whole else base64_text(message.value),
        "headers": headers_by_name(message.headers) if whole else {},
        **({} if whole else OMITTED),
        "topic": message.topic,
        "partition": message.partition,
        "offset": str(message.offset),
        "timestamp": _iso_time(message.timestamp / 1000),
        "errors": [_encode_attempt(failure, whole=whole) for failure in failures],
        "retries": attempts,
        "deadLetteredAt": _iso_time(now),
    }


def _encode_simple(
    message: Message, failures: Sequence[FailedAttempt], *, attempts: int, now: float, whole: bool
) -> dict[str, Any]:
    return {
        "originalTopic": message.topic,
        "originalMessage": None if message.value is None or not whole else base64_text(message.value),
        "error": failures[-1].outcome if failures else "",
        "retryCount": attempts,
        "timestamp": _iso_time(now),
        **({} if message.key is None or not whole else text_fields("originalKey", message.key)),
        "originalHeaders": headers_by_name(message.headers) if whole else {},
        **({} if whole else OMITTED),
        "originalPartition": message.partition,
        "originalOffset": str(message.offset),
        "originalTimestamp": _iso_time(message.timestamp / 1000),
    }


def _encode_attempt(failure: FailedAttempt, *, whole: bool) -> dict[str, Any]:
    status = NO_ANSWER if failure.status is None else failure.status
    error: dict[str, Any] = {
        "statusCode": status,
        "error": failure.phrase,
        "message": failure.outcome,
        "requestedAt": _iso_time(failure.requested_at),
        "attempt": failure.number - 1,
    }
    if failure.status is not None and whole:
        error["headers"] = {name.decode("latin-1"): value.decode("latin-1") for name, value in failure.headers}
        error["body"] = _answer_body(failure)
    return error


def _answer_body(failure: FailedAttempt) -> Any:
    """Return the response's body as JSON if it is a whole JSON document, else as text, cut off where it is long."""
    body = failure.body
    if (
        len(body) <= KEPT_BODY
        and b"json" in dict(failure.headers).get(b"content-type", b"")
        and body.count(b"[") + body.count(b"{") <= MOST_BRACKETS
    ):
        try:
            document = json.loads(body)
            json.dumps(document, allow_nan=False)
        except ValueError:
            pass  # it is not JSON, whatever it claims: shown as text
        else:
            return document
    return body[:KEPT_BODY].decode("utf-8", "replace")


def _iso_time(seconds: float) -> str:
    """Return ISO 8601 with milliseconds, as JavaScript writes it; years that it cannot write become 1970."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def decode(message: Message) -> DeadLetter:
    """Decode a record of a dead-letter topic. Raises NotADeadLetter."""
    try:
        document = json.loads(message.value or b"")
        if not isinstance(document, dict):
            raise NotADeadLetter("not a JSON object")
        if "originalTopic" in document:
            return _decode_simple(document, message)
        return _decode_original(document, message)
    except NotADeadLetter:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotADeadLetter(f"not a dead letter: {type(error).__name__} {error}") from error


def _decode_original(document: Mapping[str, Any], message: Message) -> DeadLetter:
    errors: list[Mapping[str, Any]] = document.get("errors") or [{}]
    return DeadLetter(
        partition=message.partition,
        offset=message.offset,
        since=_seconds(document.get("deadLetteredAt"), message),
        topic=str(document["topic"]),
        origin_partition=_number(document.get("partition")),
        origin_offset=_number(document.get("offset")),
        origin_time=_milliseconds(document.get("timestamp")),
        key=_key(document, "key"),
        value=_decode_base64(document["value"]),
        headers=_headers(document.get("headers") or {}),
        error=str(errors[-1].get("message", "")),
        status=_number(errors[-1].get("statusCode")),
        attempts=int(document.get("retries", len(errors))),
        omitted="omitted" in document,
        **_target(document),
    )


def _decode_simple(document: Mapping[str, Any], message: Message) -> DeadLetter:
    return DeadLetter(
        partition=message.partition,
        offset=message.offset,
        since=_seconds(document.get("timestamp"), message),
        topic=str(document["originalTopic"]),
        origin_partition=_number(document.get("originalPartition")),
        origin_offset=_number(document.get("originalOffset")),
        origin_time=_milliseconds(document.get("originalTimestamp")),
        key=_key(document, "originalKey"),
        value=_decode_base64(document["originalMessage"]),
        headers=_headers(document.get("originalHeaders") or {}),
        error=str(document.get("error", "")),
        status=None,
        attempts=int(document.get("retryCount", 0)),
        omitted="omitted" in document,
        **_target(document),
    )


def _target(document: Mapping[str, Any]) -> dict[str, str | None]:
    names = {"target": "target", "target_id": "targetId", "webhook_id": "webhookId"}
    given = {field: document.get(name) for field, name in names.items()}
    return {field: text if isinstance(text, str) else None for field, text in given.items()}


def _milliseconds(text: Any) -> int | None:
    """Return a time in milliseconds since 1970; None if it is missing."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1000)


def _number(given: Any) -> int | None:
    return None if given is None else int(given)


def _decode_base64(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise NotADeadLetter(f"not a dead letter: {error}") from error


def _key(document: Mapping[str, Any], name: str) -> bytes | None:
    key = document.get(name)
    if key is None:
        return None
    return _decode_base64(key) if document.get(f"{name}Encoding") == "base64" else str(key).encode()


def _headers(document: Mapping[str, Any]) -> tuple[Header, ...]:
    return tuple(
        (name, _header(value))
        for name, values in document.items()
        for value in (values if isinstance(values, list) else [values])
    )


def _header(value: Any) -> bytes | None:
    if value is None:
        return None
    return _decode_base64(value["base64"]) if isinstance(value, dict) else str(value).encode()


def _seconds(text: Any, message: Message) -> float:
    """Return the time of a letter in seconds since 1970: its own field, else its record's timestamp."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return message.timestamp / 1000
