"""The records of one partition that are in our hands: how far it may be committed, whether there is room for more."""

from __future__ import annotations

from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.offsets import OffsetTracker

MAX_SPAN = 10_000  # records from the lowest unfinished one on: what a crash would deliver twice, at most
MAX_BYTES = 16 * 1024 * 1024  # bytes of unfinished records
OVERHEAD = 100  # bytes that a record costs besides its value


class HeldPartition:
    """One partition during one assignment; once it is `lost` nothing of it counts any more."""

    __slots__ = ("_bytes", "_limit", "_tracker", "_unfinished", "committed", "lost", "paused")

    def __init__(self, limit: int, start: int | None = None) -> None:
        """`limit`: unfinished records from which on it is full. `start`: the first offset to read, if it is known."""
        self._limit = limit
        self._tracker = OffsetTracker(start)
        self._unfinished = 0
        self._bytes = 0
        self.committed: int | None = None
        """The position last committed in this assignment."""
        self.lost = False
        """Another member's now, or given up."""
        self.paused = False
        """Whether reading was told to stop for want of room."""

    def take(self, message: Message) -> None:
        """Note that a record was read."""
        self._tracker.take(message.offset)
        self._unfinished += 1
        self._bytes += _size(message)

    def finish(self, message: Message) -> None:
        """Note that a record needs no further work."""
        self._tracker.finish(message.offset)
        self._unfinished -= 1
        self._bytes -= _size(message)

    def knows(self, offset: int) -> bool:
        """Tell whether the record at that offset, or a later one, was read already."""
        return self._tracker.knows(offset)

    @property
    def to_commit(self) -> int | None:
        """The position to commit; None when it is committed already."""
        position = self._tracker.position
        return None if position == self.committed else position

    @property
    def full(self) -> bool:
        """Whether nothing more should be read for now."""
        return self._unfinished >= self._limit or self._bytes >= MAX_BYTES or self._tracker.span >= MAX_SPAN

    @property
    def has_room(self) -> bool:
        """Whether reading should go on after it was full: at half, so that it does not stutter."""
        return (
            self._unfinished <= self._limit // 2
            and self._bytes <= MAX_BYTES // 2
            and self._tracker.span <= MAX_SPAN // 2
        )


def _size(message: Message) -> int:
    return OVERHEAD + (len(message.value) if message.value is not None else 0)
