"""A dead letter as kafka-hooks writes it, in either of its two shapes, and which letters are meant."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pywatt_kafka.records import Header, Message

ERROR_WIDTH = 200  # characters of an error's words


class NotADeadLetter(ValueError):
    """A record that is not a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """One record that could not be delivered, and why."""

    partition: int
    offset: int
    """Where the letter itself is."""
    since: float
    """Seconds since 1970: when it was written."""
    topic: str
    """Where the record comes from, and the two that follow."""
    origin_partition: int | None
    origin_offset: int | None
    origin_time: int | None
    """The record's own time, milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    error: str
    """The last failure in words."""
    status: int | None
    """The last answer's; None when there was none, or it is not told."""
    attempts: int
    omitted: bool
    """Whether the letter lacks key, value and headers, as the whole would have been too large."""
    target: str | None
    """The URL that did not take the record, and what follows: None where a letter does not tell."""
    target_id: str | None
    webhook_id: str | None
    """The record's, where it comes from."""

    @property
    def place(self) -> tuple[int, int]:
        """Where the letter itself is: partition and offset."""
        return self.partition, self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which letters are meant; every condition that is given has to hold."""

    topic: str | None = None
    error: str | None = None
    """A part of the error's words, in any case, or a status."""
    key: bytes | None = None
    older_than: float | None = None
    """Seconds."""
    newer_than: float | None = None
    place: tuple[int, int] | None = None
    """Partition and offset of one letter."""

    def accepts(self, letter: DeadLetter, now: float) -> bool:
        """Tell whether a letter is meant. `now`: seconds since 1970."""
        age = now - letter.since
        return (
            (self.topic is None or letter.topic == self.topic)
            and (self.error is None or self._fits(letter, self.error))
            and (self.key is None or letter.key == self.key)
            and (self.older_than is None or age > self.older_than)
            and (self.newer_than is None or age < self.newer_than)
            and (self.place is None or (letter.partition, letter.offset) == self.place)
        )

    @staticmethod
    def _fits(letter: DeadLetter, error: str) -> bool:
        return error == str(letter.status) or error.lower() in letter.error.lower()


def letter_of(message: Message) -> DeadLetter:
    """Read a record of a dead-letter topic. Raises NotADeadLetter."""
    try:
        document = json.loads(message.value or b"")
        if not isinstance(document, dict):
            raise NotADeadLetter("not a JSON object")
        if "originalTopic" in document:
            return _simple(document, message)
        return _original(document, message)
    except NotADeadLetter:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise NotADeadLetter(f"not a dead letter: {type(error).__name__} {error}") from error


def _original(document: Mapping[str, Any], message: Message) -> DeadLetter:
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
        value=_bytes(document["value"]),
        headers=_headers(document.get("headers") or {}),
        error=str(errors[-1].get("message", "")),
        status=_number(errors[-1].get("statusCode")),
        attempts=int(document.get("retries", len(errors))),
        omitted="omitted" in document,
        **_target(document),
    )


def _simple(document: Mapping[str, Any], message: Message) -> DeadLetter:
    return DeadLetter(
        partition=message.partition,
        offset=message.offset,
        since=_seconds(document.get("timestamp"), message),
        topic=str(document["originalTopic"]),
        origin_partition=_number(document.get("originalPartition")),
        origin_offset=_number(document.get("originalOffset")),
        origin_time=_milliseconds(document.get("originalTimestamp")),
        key=_key(document, "originalKey"),
        value=_bytes(document["originalMessage"]),
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
    """Return a time in milliseconds since 1970; None when it is not told."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return None if moment.tzinfo is None else round(moment.timestamp() * 1000)


def _number(given: Any) -> int | None:
    return None if given is None else int(given)


def _bytes(text: str | None) -> bytes | None:
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
    return _bytes(key) if document.get(f"{name}Encoding") == "base64" else str(key).encode()


def _headers(document: Mapping[str, Any]) -> tuple[Header, ...]:
    return tuple(
        (name, _header(value))
        for name, values in document.items()
        for value in (values if isinstance(values, list) else [values])
    )


def _header(value: Any) -> bytes | None:
    if value is None:
        return None
    return _bytes(value["base64"]) if isinstance(value, dict) else str(value).encode()


def _seconds(text: Any, message: Message) -> float:
    """Return when a letter was written: what it says itself, else its record's own time."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return message.timestamp / 1000
