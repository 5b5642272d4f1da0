"""A record that waits in a retry topic: the record itself, and in further headers its origin and what was tried.

So nothing but the topic has to be remembered, and whoever reads it next goes on with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from pywatt_kafka.records import Header, Message
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.target_name import HEXADECIMAL, id_text

PREFIX = "x-plt-kafka-hooks-retry-"
TOPIC, PARTITION, OFFSET, TIMESTAMP = (PREFIX + name for name in ("topic", "partition", "offset", "timestamp"))
"""Of the record in the topic that it comes from; the first one begins what we have added."""
ATTEMPTS = PREFIX + "attempts"
"""Made until now."""
NOT_BEFORE = PREFIX + "not-before"
"""When the next one is due: milliseconds since 1970."""
TARGET = PREFIX + "target"
"""The id of the target that it is for, as a dead letter has it."""
ERRORS = PREFIX + "errors"
"""What came of the last ones, as JSON, without what the webhook answered beside the status."""
TOMBSTONE = PREFIX + "tombstone"
"""There is no value: a record without key and value cannot be written."""
KEPT_CAUSE = 500  # characters of why there was no answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """What a record of a retry topic says."""

    message: Message
    """The record as it is where it comes from."""
    attempts: int
    due: float
    """Seconds since 1970."""
    failures: tuple[Attempt, ...]
    target_id: int | None = None
    """None: it was written before there were such."""


def postponed_value(message: Message) -> bytes | None:
    """Return the value of a record's stand-in in a retry topic."""
    return b"" if message.value is None and message.key is None else message.value


def postponed_headers(
    message: Message, *, attempts: int, due: float, failures: Sequence[Attempt], target_id: int
) -> list[Header]:
    """Return the headers of a record's stand-in in a retry topic; `due`: seconds since 1970."""
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
    if message.value is None and message.key is None:
        added.append((TOMBSTONE, "true"))
    return [*message.headers, *((name, text.encode()) for name, text in added)]


def read_postponed(record: Message) -> Postponed | None:
    """Return what a record of a retry topic stands for; None when it is not one of ours."""
    headers = record.headers
    begin = max((index for index, (name, _) in enumerate(headers) if name == TOPIC), default=len(headers))
    if not all(name.startswith(PREFIX) for name, _ in headers[begin:]):
        return None
    try:
        added = {name: (value or b"").decode() for name, value in headers[begin:]}
        return Postponed(
            message=Message(
                added[TOPIC],
                int(added[PARTITION]),
                int(added[OFFSET]),
                record.key,
                None if TOMBSTONE in added else record.value,
                headers[:begin],
                int(added[TIMESTAMP]),
            ),
            attempts=int(added[ATTEMPTS]),
            due=int(added[NOT_BEFORE]) / 1000,
            target_id=int(added[TARGET], HEXADECIMAL) if TARGET in added else None,
            failures=tuple(
                Attempt(number=each["attempt"], requested_at=each["at"], status=each["status"], cause=each["cause"])
                for each in json.loads(added[ERRORS])
            ),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _error(failure: Attempt) -> dict[str, object]:
    return {
        "attempt": failure.number,
        "at": round(failure.requested_at, 3),
        "status": failure.status,
        "cause": failure.cause[:KEPT_CAUSE],
    }
