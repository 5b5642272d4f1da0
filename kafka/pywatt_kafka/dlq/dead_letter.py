"""A dead letter, and a filter for dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt_kafka.records import Header

ERROR_WIDTH = 200  # characters of an error message in a list


class NotADeadLetter(ValueError):
    """A record that is not a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A record that could not be delivered, and the reason."""

    partition: int
    offset: int
    """Position of the letter itself."""
    since: float
    """Time of writing, seconds since 1970."""
    topic: str
    """Origin of the record, with the next two fields."""
    origin_partition: int | None
    origin_offset: int | None
    origin_time: int | None
    """Timestamp of the record, milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]
    error: str
    """Description of the last failure."""
    status: int | None
    """Status of the last response; None without one, or if the letter lacks it."""
    attempts: int
    omitted: bool
    """The letter lacks key, value and headers, as the whole would have been too large."""
    target: str | None
    """URL that rejected the record; this and the next fields are None if the letter lacks them."""
    target_id: str | None
    webhook_id: str | None
    """Id of the record in its original topic."""

    @property
    def place(self) -> tuple[int, int]:
        """Position of the letter itself: partition and offset."""
        return self.partition, self.offset


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Selects letters; all given conditions must hold."""

    topic: str | None = None
    error: str | None = None
    """Part of the error message, case-insensitive, or a status."""
    key: bytes | None = None
    older_than: float | None = None
    """Seconds."""
    newer_than: float | None = None
    place: tuple[int, int] | None = None
    """Partition and offset of one letter."""

    def accepts(self, letter: DeadLetter, now: float) -> bool:
        """Return whether the filter selects a letter. `now`: seconds since 1970."""
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
