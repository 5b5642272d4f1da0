"""Redrives letters: sends their records back to their original topics, in the order they had there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import monotonic
from typing import NamedTuple, Self

import anyio

from pywatt_kafka.dlq.dead_letter import DeadLetter
from pywatt_kafka.dlq.origin_reader import OriginReader, open_origin
from pywatt_kafka.dlq.redrive_headers import redrive_headers
from pywatt_kafka.errors import KafkaError, UnknownPartition
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.records import Header
from pywatt_kafka.security.options import Security

CHUNK = 100  # records that are sent at once ...
CHUNK_BYTES = 16 * 1024 * 1024  # ... and their approximate bytes
LARGEST_RECORD = 512 * 1024 * 1024  # bytes: the limit is left to the brokers
KEPT_FAILURES = 100  # listed in an outcome

Progress = Callable[[DeadLetter, str], None]
"""Callback with each selected letter and its result."""


@dataclass(slots=True)
class Outcome:
    """The result of a redrive."""

    redriven: int = 0
    failed: int = 0
    """Letters that could not be sent back."""
    already_redriven: int = 0
    """Letters that were skipped because an earlier redrive sent them back."""
    unreadable: int = 0
    """Records in the topic that are not dead letters."""
    committed: bool = True
    """False if the list of redriven letters has too many gaps to be committed."""
    failures: list[tuple[DeadLetter, str]] = field(default_factory=list)
    """The first letters that could not be sent back, with the reason."""

    def as_document(self) -> dict[str, object]:
        """Return the result as a JSON document."""
        return {
            "redriven": self.redriven,
            "failed": self.failed,
            "redrivenBefore": self.already_redriven,
            "noLetters": self.unreadable,
            "committed": self.committed,
            "failures": [
                {"partition": letter.partition, "offset": letter.offset, "message": why}
                for letter, why in self.failures
            ],
        }

    def fail(self, letter: DeadLetter, why: str) -> None:
        """Record a letter that could not be sent back."""
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append((letter, why))


class _Record(NamedTuple):
    """The record to write for a letter."""

    key: bytes | None
    value: bytes | None
    headers: list[Header]
    partition: int | None
    placed_by: bytes | None

    @property
    def size(self) -> int:
        return len(self.value or b"") + len(self.key or b"")


class Redrive:
    """Writes the records of letters, several at a time; an async context manager."""

    def __init__(
        self,
        brokers: Sequence[str],
        security: Security | None,
        outcome: Outcome,
        *,
        to: str | None,
        rate: float | None,
        progress: Progress,
        sent: Callable[[DeadLetter], None],
    ) -> None:
        """`to`: another topic. `rate`: limit of records per second. `sent`: called for each acknowledged letter."""
        self._brokers = brokers
        self._security = security
        self._outcome = outcome
        self._to = to
        self._rate = rate
        self._progress = progress
        self._sent = sent
        self._chunk = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 10)))
        self._stack = AsyncExitStack()
        self._producer = Producer(list(brokers), security=security, max_request_bytes=LARGEST_RECORD)
        self._origin: OriginReader | None = None
        self._waiting: list[tuple[DeadLetter, _Record]] = []
        self._size = 0

    async def __aenter__(self) -> Self:
        """Start connecting."""
        await self._stack.enter_async_context(self._producer)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect; letters that were not flushed are not sent."""
        await self._stack.aclose()

    async def add(self, letter: DeadLetter) -> None:
        """Send a letter back, at once or with the next ones."""
        try:
            record = await self._record_of(letter)
        except KafkaError as error:
            self._failed(letter, error.message)
            return
        self._waiting.append((letter, record))
        self._size += record.size
        if len(self._waiting) == self._chunk or self._size >= CHUNK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Send all waiting records at once; the producer keeps their order within each partition."""
        begun = monotonic()
        waiting, self._waiting, self._size = self._waiting, [], 0
        problems = await asyncio.gather(*(self._send(letter, record) for letter, record in waiting))
        for (letter, _), problem in zip(waiting, problems, strict=True):
            if problem is None:
                self._outcome.redriven += 1
                self._sent(letter)
                self._progress(letter, f"sent back to {self._to or letter.topic}")
            else:
                self._failed(letter, problem)
        if self._rate is not None and waiting:
            await anyio.sleep(max(0.0, len(waiting) / self._rate - (monotonic() - begun)))

    def _failed(self, letter: DeadLetter, why: str) -> None:
        self._outcome.fail(letter, why)
        self._progress(letter, f"NOT sent back: {why}")

    async def _record_of(self, letter: DeadLetter) -> _Record:
        """Return the record to write. Raises KafkaError when it is neither in the letter nor readable at its origin."""
        key, value, headers = letter.key, letter.value, letter.headers
        if letter.omitted:
            if self._origin is None:
                self._origin = await self._stack.enter_async_context(open_origin(self._brokers, self._security))
            record = await self._origin.record_of(letter)
            key, value, headers = record.key, record.value, record.headers
        to_other_topic = self._to is not None
        return _Record(
            key,
            value,
            redrive_headers(headers, target=None if to_other_topic else letter.target_id, webhook_id=letter.webhook_id),
            letter.origin_partition if key is None and not to_other_topic else None,
            f"{letter.topic}/{letter.origin_partition}".encode() if key is None else None,
        )

    async def _send(self, letter: DeadLetter, record: _Record) -> str | None:
        """Send one record; return the error message, or None."""
        topic = self._to or letter.topic
        key, value, headers, partition, placed_by = record
        try:
            try:
                await self._producer.send(
                    topic, value, key=key, headers=headers, partition=partition, placed_by=placed_by
                )
            except UnknownPartition:  # the topic was recreated with fewer partitions
                await self._producer.send(topic, value, key=key, headers=headers, placed_by=placed_by)
        except KafkaError as error:
            return error.message
        return None
