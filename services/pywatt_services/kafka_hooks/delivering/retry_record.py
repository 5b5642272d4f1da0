"""Encodes records of a retry topic: the record itself, and in further headers its origin and its attempts.

So the topic is the only memory, and every reader of it can go on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.records import Header, Message
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.target_name import HEXADECIMAL, id_text

PREFIX = "x-plt-kafka-hooks-retry-"
TOPIC, PARTITION, OFFSET, TIMESTAMP = (PREFIX + name for name in ("topic", "partition", "offset", "timestamp"))
"""Headers with the place of the record in its original topic; the first one begins the headers that are added here."""
ATTEMPTS = PREFIX + "attempts"
"""Number of attempts so far."""
NOT_BEFORE = PREFIX + "not-before"
"""Due time of the next attempt: milliseconds since 1970."""
TARGET = PREFIX + "target"
"""Id of its target, as in a dead letter."""
READ_AT = PREFIX + "read-at"
"""Time of the first reading of a record without a timestamp: milliseconds since 1970."""
ERRORS = PREFIX + "errors"
"""The last attempts as JSON, with the status but without the rest of the responses."""
TOMBSTONE = PREFIX + "tombstone"
"""Set without a value: a record without key and value cannot be written."""
LARGEST = 2**63  # above all that Kafka has: milliseconds, offsets, numbers of attempts
LARGEST_TARGET = 2**32
KEPT_CAUSE = 500  # characters of why there was no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRecord:
    """A decoded record of a retry topic."""

    message: Message
    """The record of the original topic."""
    attempts: int
    due: float
    """Seconds since 1970."""
    failures: tuple[Attempt, ...]
    target_id: int | None = None
    """None: an earlier version wrote the record."""
    read_at: float = 0.0
    """Time of the first reading of a record without a timestamp, in seconds since 1970."""


def retry_value(message: Message) -> bytes | None:
    """Return the value of a retry record."""
    return b"" if message.value is None and message.key is None else message.value


def retry_headers(
    message: Message, *, attempts: int, due: float, failures: Sequence[Attempt], target_id: int, read_at: float = 0.0
) -> list[Header]:
    """Return the headers of a retry record; `due`, `read_at`: seconds since 1970."""
    added = [
        (TOPIC, message.topic),
        (PARTITION, str(message.partition)),
        (OFFSET, str(message.offset)),
        (TIMESTAMP, str(message.timestamp)),
        (ATTEMPTS, str(attempts)),
        (NOT_BEFORE, str(math.ceil(due * 1000))),
        (TARGET, id_text(target_id)),
        (ERRORS, json.dumps([_error(failure) for failure in failures], separators=(",", ":"))),
    ]
    if message.timestamp < 0:
        added.append((READ_AT, str(round(read_at * 1000))))
    if message.value is None and message.key is None:
        added.append((TOMBSTONE, "true"))
    return [*message.headers, *((name, text.encode()) for name, text in added)]


def read_retry_record(record: Message) -> RetryRecord | None:
    """Decode a record of a retry topic; None when another program wrote it."""
    headers = record.headers
    begin = max((index for index, (name, _) in enumerate(headers) if name == TOPIC), default=len(headers))
    if not all(name.startswith(PREFIX) for name, _ in headers[begin:]):
        return None
    try:
        added = {name: (value or b"").decode() for name, value in headers[begin:]}
        return RetryRecord(
            message=Message(
                added[TOPIC],
                _number(added[PARTITION], -1),
                _number(added[OFFSET], -1),
                record.key,
                None if TOMBSTONE in added else record.value,
                headers[:begin],
                _number(added[TIMESTAMP], -1),
            ),
            attempts=_number(added[ATTEMPTS]),
            due=_number(added[NOT_BEFORE]) / 1000,
            target_id=_target_id(added[TARGET]) if TARGET in added else None,
            failures=tuple(_failure(each) for each in json.loads(added[ERRORS])),
            read_at=_number(added.get(READ_AT, "0")) / 1000,
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _number(text: str, least: int = 0) -> int:
    """Return a number within Kafka's bounds. Raises ValueError: any program may write to the topic."""
    number = int(text)
    if not least <= number < LARGEST:
        raise ValueError(f"no such number: {text}")
    return number


def _target_id(text: str) -> int:
    number = int(text, HEXADECIMAL)
    if not 0 <= number < LARGEST_TARGET:
        raise ValueError(f"no target's id: {text}")
    return number


def _failure(given: Mapping[str, Any]) -> Attempt:
    number, moment, status, cause = given["attempt"], given["at"], given["status"], given["cause"]
    if not (
        type(number) is int
        and type(moment) in (int, float)
        and 0 <= moment < LARGEST
        and (status is None or (type(status) is int and status in range(1000)))
        and type(cause) is str
    ):
        raise ValueError(f"no attempt: {given!r}")
    return Attempt(number=number, requested_at=moment, status=status, cause=cause)


def _error(failure: Attempt) -> dict[str, object]:
    return {
        "attempt": failure.number,
        "at": round(failure.requested_at, 3),
        "status": failure.status,
        "cause": failure.cause[:KEPT_CAUSE],
    }
