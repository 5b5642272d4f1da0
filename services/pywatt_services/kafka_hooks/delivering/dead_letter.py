"""Encodes a dead letter: the record in full, and the failed attempts; one JSON object in two shapes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.config.options import DeadLetterFormat
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.target_name import TargetName, id_text
from pywatt_services.kafka_hooks.wire.headers import CONTENT_TYPE, id_prefix
from pywatt_services.kafka_hooks.wire.json_bytes import base64_text, headers_by_name, text_fields

KEPT_BODY = 4096  # bytes of a webhook's answer that a dead letter shows
MOST_BRACKETS = 500
"""In a body that is shown as JSON: each may be a level, and the JSON encoder's depth is limited."""
OMITTED = {"omitted": ["key", "value", "headers"]}
NO_ANSWER = 499  # the original's status for an attempt without an answer


def dead_letter(
    message: Message,
    failures: Sequence[Attempt],
    form: DeadLetterFormat,
    *,
    attempts: int,
    now: float,
    target: TargetName | None = None,
    whole: bool = True,
) -> bytes:
    """Return a dead letter's JSON; `failures` are the last of the `attempts` at a `target`.

    `whole`: False for a record too large for the broker: then the letter holds only its position and its failures, and
    `omitted` names the rest, which the record in its own topic still has.
    """
    build = _original if form is DeadLetterFormat.ORIGINAL else _simple
    document = build(message, failures, attempts=attempts, now=now, whole=whole)
    if target is not None:
        document |= {"target": target.url, "targetId": id_text(target.id)}
    document["webhookId"] = f"{id_prefix(message.topic, message.partition)}{message.offset}"
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _original(
    message: Message, failures: Sequence[Attempt], *, attempts: int, now: float, whole: bool
) -> dict[str, Any]:
    return {
        **({} if message.key is None or not whole else text_fields("key", message.key)),
        "value": None if message.value is None or not whole else base64_text(message.value),
        "headers": headers_by_name(message.headers) if whole else {},
        **({} if whole else OMITTED),
        "topic": message.topic,
        "partition": message.partition,
        "offset": str(message.offset),
        "timestamp": _time(message.timestamp / 1000),
        "errors": [_error(failure, whole=whole) for failure in failures],
        "retries": attempts,
        "deadLetteredAt": _time(now),
    }


def _simple(message: Message, failures: Sequence[Attempt], *, attempts: int, now: float, whole: bool) -> dict[str, Any]:
    return {
        "originalTopic": message.topic,
        "originalMessage": None if message.value is None or not whole else base64_text(message.value),
        "error": failures[-1].outcome if failures else "",
        "retryCount": attempts,
        "timestamp": _time(now),
        **({} if message.key is None or not whole else text_fields("originalKey", message.key)),
        "originalHeaders": headers_by_name(message.headers) if whole else {},
        **({} if whole else OMITTED),
        "originalPartition": message.partition,
        "originalOffset": str(message.offset),
        "originalTimestamp": _time(message.timestamp / 1000),
    }


def _error(failure: Attempt, *, whole: bool) -> dict[str, Any]:
    status = NO_ANSWER if failure.status is None else failure.status
    error: dict[str, Any] = {
        "statusCode": status,
        "error": failure.phrase,
        "message": failure.outcome,
        "requestedAt": _time(failure.requested_at),
        "attempt": failure.number - 1,
    }
    if failure.status is not None and whole:
        error["headers"] = {name.decode("latin-1"): value.decode("latin-1") for name, value in failure.headers}
        error["body"] = _body(failure)
    return error


def _body(failure: Attempt) -> Any:
    """Return the response's body as JSON if it is a whole JSON document, else as text, cut off where it is long."""
    body = failure.body
    if (
        len(body) <= KEPT_BODY
        and b"json" in dict(failure.headers).get(CONTENT_TYPE.encode(), b"")
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


def _time(seconds: float) -> str:
    """Return ISO 8601 with milliseconds, as JavaScript writes it; years that it cannot write become 1970."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
