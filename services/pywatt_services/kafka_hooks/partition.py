"""The records of one partition that are in our hands: how far it may be committed, whether there is room for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pywatt_kafka.records import Message, Offset, TopicPartition
from pywatt_services.kafka_hooks.offsets import OffsetTracker
from pywatt_services.kafka_hooks.progress import NOTHING, TEXT_LIMIT, Progress, Tried, encode

MAX_BYTES = 16 * 1024 * 1024  # bytes of unfinished records
OVERHEAD = 100  # bytes that a record costs besides its value
NOTE_FULL = TEXT_LIMIT * 3 // 4  # characters of a commit's note at which reading pauses ...
NOTE_ROOM = TEXT_LIMIT // 2  # ... and at which it goes on
NO_PROGRESS: Mapping[int, Progress] = {}


@dataclass(frozen=True, slots=True)
class Commit:
    """What is to be committed for one partition."""

    offset: Offset
    changes: int
    """How much was done when this was made."""


class HeldPartition:
    """One partition while it is ours; once it is `lost` nothing of it counts any more.

    Each target of its topic has a share: its own progress. The partition is done as far as all of them are.
    """

    __slots__ = (
        "_bytes",
        "_changed",
        "_changes",
        "_committed_changes",
        "_limit",
        "_note",
        "_targets",
        "_unfinished",
        "committed",
        "lost",
        "paused",
        "place",
        "shares",
    )

    def __init__(
        self,
        place: TopicPartition,
        *,
        limit: int,
        targets: Sequence[int],
        changed: Callable[[HeldPartition], None],
        committed: Offset | None = None,
        start: int | None = None,
        before: Mapping[int, Progress] = NO_PROGRESS,
    ) -> None:
        """`limit`: unfinished deliveries from which on it is full. `targets`: their ids, one for each share.

        `changed` is called when there is something new to commit. `committed`: what the group has committed. `start`:
        the first offset to read, if it is known. `before`: what predecessors did beyond it.
        """
        self.place = place
        self._limit = limit
        self._targets = tuple(targets)
        self.shares = tuple(OffsetTracker(start, before.get(target, NOTHING)) for target in targets)
        self._changed = changed
        self._changes = 0 if start is None or committed is not None else 1
        self._committed_changes = 0
        self._note = 0
        """Characters of the newest note."""
        self._unfinished = 0
        self._bytes = 0
        self.committed = committed
        """What was last committed, as far as we know."""
        self.lost = False
        """Another member's now, or given up."""
        self.paused = False
        """Whether reading was told to stop for want of room."""

    def take(self, message: Message, share: OffsetTracker) -> bool:
        """Note that a record was read; return whether the share's target still has to get it."""
        if not share.take(message.offset):
            self._change()
            return False
        self._unfinished += 1
        self._bytes += _size(message)
        return True

    def finish(self, message: Message, share: OffsetTracker) -> None:
        """Note that a record needs no further work for one target."""
        share.finish(message.offset)
        self._unfinished -= 1
        self._bytes -= _size(message)
        self._change()

    def try_again(self, message: Message, share: OffsetTracker, tried: Tried) -> None:
        """Note that a record was tried in vain and waits for its next attempt."""
        share.try_again(message.offset, tried)
        self._change()

    def knows(self, offset: int) -> bool:
        """Tell whether the record at that offset, or a later one, was read already."""
        return self.shares[0].knows(offset)

    @property
    def next(self) -> int | None:
        """The offset to read next; None when that is not known yet."""
        return self.shares[0].next

    def to_commit(self) -> Commit | None:
        """Return what is to be committed now; None when nothing is new."""
        if self._changes == self._committed_changes:
            return None
        positions = [position for share in self.shares if (position := share.position) is not None]
        if not positions:
            return None
        position = min(positions)
        note = encode(
            position,
            {target: share.progress(position) for target, share in zip(self._targets, self.shares, strict=True)},
        )
        self._note = len(note.text) if note.complete else TEXT_LIMIT
        return Commit(Offset(position, note.text), self._changes)

    def was_committed(self, commit: Commit) -> None:
        """Note that what `to_commit` returned is committed."""
        self.committed = commit.offset
        self._committed_changes = commit.changes

    @property
    def full(self) -> bool:
        """Whether nothing more should be read for now."""
        return self._unfinished >= self._limit or self._bytes >= MAX_BYTES or self._note >= NOTE_FULL

    @property
    def has_room(self) -> bool:
        """Whether reading should go on after it was full: at half, so that it does not stutter."""
        return self._unfinished <= self._limit // 2 and self._bytes <= MAX_BYTES // 2 and self._note <= NOTE_ROOM

    def _change(self) -> None:
        self._changes += 1
        self._changed(self)


def _size(message: Message) -> int:
    return OVERHEAD + (len(message.value) if message.value is not None else 0)
