"""Writes records that cannot be read or processed to a dead-letter topic, in the form of kafka-hooks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio

from pywatt_kafka.backoff import backoff
from pywatt_kafka.dlq.codec import DeadLetterFormat, encode
from pywatt_kafka.errors import KafkaError, RecordTooLarge
from pywatt_kafka.records import Message, RecordPosition

logger = logging.getLogger("pywatt_kafka")

FIRST_BACKOFF = 0.5  # seconds before a dead letter that could not be written is tried again, doubled each time ...
LONGEST_BACKOFF = 15.0  # ... up to this


class RecordWriter(Protocol):
    """Writes records; raises KafkaError."""

    async def send(self, topic: str, value: bytes | None, *, placed_by: bytes | None = None) -> RecordPosition:
        """`placed_by` chooses the partition as a key would."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt at a record, as dead letters list it."""

    number: int
    """Number from 1."""
    requested_at: float
    """Seconds since 1970."""
    outcome: str
    phrase: str = "Processing Error"
    status: int | None = None
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b""


def failure_of(error: BaseException, *, number: int = 1, now: float | None = None) -> Failure:
    """Return the failure of an attempt that raised `error`; `now`: seconds since 1970."""
    return Failure(
        number=number,
        requested_at=time.time() if now is None else now,
        outcome=f"{type(error).__name__}: {error}",
    )


class DeadLetterWriter:
    """Writes dead letters, and tries again until they are acknowledged: a record is passed over only then."""

    def __init__(self, writer: RecordWriter, *, now: Callable[[], float] = time.time) -> None:
        self._writer = writer
        self._now = now

    async def write(self, topic: str, message: Message, failures: Sequence[Failure], *, attempts: int) -> None:
        """Write the dead letter of a record to a topic; `failures` are the last of its attempts."""
        tries, whole = 0, True
        while True:
            letter = encode(
                message,
                failures,
                DeadLetterFormat.ORIGINAL,
                attempts=attempts,
                now=self._now(),
                webhook_id=f"{message.topic.replace('.', '~')}-{message.partition}-{message.offset}",
                target={},
                whole=whole,
            )
            try:
                await self._writer.send(topic, letter, placed_by=_placed_by(message))
            except RecordTooLarge:
                if not whole:
                    raise
                whole = False  # the letter then says only where the record is
            except KafkaError as error:
                place = f"{message.topic}[{message.partition}] at offset {message.offset}"
                logger.warning("%s waits, as its dead letter cannot be written to %s: %s", place, topic, error)
                await anyio.sleep(backoff(tries, first=FIRST_BACKOFF, longest=LONGEST_BACKOFF))
                tries += 1
            else:
                return


def _placed_by(message: Message) -> bytes:
    """Return the bytes that choose a letter's partition: those of one key stay in order. The letter has no key."""
    return f"{message.topic}/{message.partition}".encode() if message.key is None else message.key
