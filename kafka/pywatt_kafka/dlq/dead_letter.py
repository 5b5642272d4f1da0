"""A dead letter, and a filter for dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt_kafka.records import Header

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
