"""Tracks the records of one assigned partition: how far it may be committed, and whether there is room for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

from pywatt_kafka.processing.commit_metadata import (
    NO_PROGRESS,
    TEXT_LIMIT,
    AttemptRecord,
    Note,
    Progress,
    encode,
)
from pywatt_kafka.processing.offset_tracker import OffsetTracker
from pywatt_kafka.records import Message, Offset, TopicPartition

FAR_BEHIND = 1 / 8  # of the limit: records behind failed ones of their key from which on commits are made less often
CROWD = 10  # times the limit: unfinished records with those behind one of their key that has failed
MAX_BYTES = 16 * 1024 * 1024  # bytes of unfinished records
OVERHEAD = 100  # bytes that a record costs besides its value
NOTE_FULL = TEXT_LIMIT * 3 // 4  # characters of a commit's note at which reading pauses ...
NOTE_ROOM = TEXT_LIMIT // 2  # ... and at which it goes on
SLICE = 1.0  # seconds that are read at one place before it is the turn of another ...
IDLE_SLICE = 2.0  # ... even if nothing came
STALE_BATCHES = 2  # batches that an engine may hand out after a seek though it fetched them before
NO_TARGETS_PROGRESS: Mapping[int, Progress] = {}


@dataclass(frozen=True, slots=True)
class Commit:
    """The offset to commit for one partition."""

    offset: Offset
    changes: int
    """Number of changes that it covers."""


class PartitionState:
    """The state of one assigned partition; once it is `lost`, nothing of it counts.

    Each target of its topic has a share: its own progress. The partition is done as far as all of them are. A share
    that is full holds up no other: reading goes on without it, and goes back for it once it has room again.
    """

    __slots__ = (
        "_changed",
        "_changes",
        "_clock",
        "_committed_changes",
        "_full",
        "_half",
        "_limit",
        "_most",
        "_moved_at",
        "_moved_from",
        "_moved_to",
        "_oversized",
        "_stale_batches",
        "_targets",
        "committed",
        "lost",
        "next",
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
        changed: Callable[[PartitionState], None],
        committed: Offset | None = None,
        start: int | None = None,
        before: Mapping[int, Progress] = NO_TARGETS_PROGRESS,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """`limit`: unfinished deliveries at which a share is full, without those behind a failed one of their key: a
        key that fails does not fill the partition so soon. `targets`: their ids, one for each share.

        `changed` is called when there is something new to commit. `committed`: the group's committed offset. `start`:
        the first offset to read, if it is known. `before`: progress of earlier workers beyond it.
        """
        self.place = place
        self._limit = limit
        self._half = limit // 2
        self._most = limit * CROWD - self._half
        """Unfinished ones up to which a share that was full has room again: first without those that wait behind."""
        self._targets = tuple(targets)
        self.shares = tuple(OffsetTracker(start, before.get(target, NO_PROGRESS)) for target in targets)
        self._changed = changed
        self._changes = 0 if start is None or committed is not None else 1
        self._committed_changes = 0
        self._full: set[OffsetTracker] = set()
        """Shares that are not read for."""
        self._oversized: set[OffsetTracker] = set()
        """Shares whose part of a commit's metadata was too long."""
        self._clock = clock
        self._moved_at = 0.0
        """Time of the last seek, and its offset."""
        self._moved_to = start
        self._moved_from = 0
        """Offset before the last seek."""
        self._stale_batches = 0
        """Batches that may still be from there."""
        self.next = start
        """The offset to read next; None when that is not known yet."""
        self.committed = committed
        """Offset that was last committed, as far as is known."""
        self.lost = False
        """Another member's now, or given up."""
        self.paused = False
        """True if reading is paused for want of room."""

    def take(self, messages: Sequence[Message], share: OffsetTracker) -> Sequence[Message]:
        """Record that messages were read, in order; return those that the share's target has not received."""
        if messages:
            self.next = messages[-1].offset + 1
        if share in self._full:
            return ()  # they will be read for that share another time
        known = share.next or 0
        wanted: list[Message] = []
        size = 0
        for message in messages:
            offset = message.offset
            if offset < known:
                continue  # it was read for that share another time
            if share.take(offset):
                wanted.append(message)
                value = message.value
                size += OVERHEAD if value is None else OVERHEAD + len(value)
            else:
                self._change()
        share.size += size
        return wanted

    def skip_to(self, position: int) -> None:
        """Note that no record is delivered between `next` and `position`, as after an aborted transaction."""
        at = self.next
        if at is not None and position <= at:
            return
        self.next = position
        for share in self.shares:
            if at is None or share.next is None or at <= share.next:  # the others have records of before to read yet
                share.skip_to(position)
        self._change()

    def finish(self, message: Message, share: OffsetTracker) -> None:
        """Note that a record needs no further work for one target."""
        share.finish(message.offset)
        value = message.value
        share.size -= OVERHEAD if value is None else OVERHEAD + len(value)
        self._change()

    def try_again(self, message: Message, share: OffsetTracker, record: AttemptRecord) -> None:
        """Note that a record was tried in vain and waits for its next attempt."""
        share.try_again(message.offset, record)
        self._change()

    def wait_behind(self, share: OffsetTracker, more: int) -> None:
        """Change the number of records that wait behind a failed one of their key by `more`, which may be negative."""
        share.behind += more
        if more > 0 and self.paused:
            self._changed(self)  # that makes room

    def knows(self, offset: int) -> bool:
        """Tell whether an offset was read already."""
        return self.next is not None and offset < self.next

    def schedule_read(self) -> int | None:
        """Find out which shares have room; return where to read on for them, None where reading is or for none."""
        for share in self.shares:
            if share in self._full:
                if self._has_room(share):
                    self._full.discard(share)
            elif self._is_full(share):
                self._full.add(share)
        return self._next_position()

    def is_stale(self, offset: int) -> bool:
        """Tell whether a batch that begins there was fetched before the last seek; then seek `next` again.

        After a few batches it cannot be: the records between were deleted, or the topic was created again.
        """
        if not self._stale_batches or self.next is None:
            return False
        stale = offset >= self._moved_from if self.next < self._moved_from else offset < self.next
        self._stale_batches = self._stale_batches - 1 if stale else 0
        return stale

    def _next_position(self) -> int | None:
        places = {share.next for share in self.shares if share not in self._full and share.next is not None}
        if self.next is None or not places:
            return None
        if self.next in places and (len(places) == 1 or not self._slice_is_over()):
            return None
        self._moved_from, self._stale_batches = self.next, STALE_BATCHES
        later = [place for place in places if place > self.next]
        self.next = min(later or places)
        self._moved_at, self._moved_to = self._clock(), self.next
        return self.next

    def _slice_is_over(self) -> bool:
        """True if another offset's time slice begins, while there are several to read at."""
        return self._clock() - self._moved_at >= (IDLE_SLICE if self.next == self._moved_to else SLICE)

    def to_commit(self) -> Commit | None:
        """Return the commit that is due; None when nothing is new."""
        if self._changes == self._committed_changes:
            return None
        positions = [position for share in self.shares if (position := share.position) is not None]
        if not positions:
            return None
        position = min(positions)
        progress = {target: share.progress(position) for target, share in zip(self._targets, self.shares, strict=True)}
        note = encode(position, progress)
        self._find_oversized(position, progress, note)
        return Commit(Offset(position, note.text), self._changes)

    def was_committed(self, commit: Commit) -> None:
        """Note that what `to_commit` returned is committed."""
        self.committed = commit.offset
        self._committed_changes = commit.changes

    @property
    def full(self) -> bool:
        """True if no share is read for."""
        return len(self._full) == len(self.shares)

    @property
    def divided(self) -> bool:
        """True if some shares are not read for now."""
        return bool(self._full) or any(share.next != self.next for share in self.shares)

    @property
    def is_noted_at_length(self) -> bool:
        """True if a target or a key is far behind: encoding that with each commit costs more than it saves."""
        far = self._limit * FAR_BEHIND
        return any(share.behind > far for share in self.shares) or (len(self.shares) > 1 and self.divided)

    @property
    def has_room(self) -> bool:
        """True if reading should resume for a share that was full: at half, so that it does not stutter."""
        for share in self._full:  # asked for with every record that is done: a generator would cost twice this
            unfinished = share.unfinished
            if unfinished <= self._most and unfinished - share.behind <= self._half and self._has_room(share):
                return True
        return False

    def _is_full(self, share: OffsetTracker) -> bool:
        return (
            share.unfinished - share.behind >= self._limit
            or share.unfinished >= self._limit * CROWD
            or share.size >= MAX_BYTES
            or share in self._oversized
        )

    def _has_room(self, share: OffsetTracker) -> bool:
        return (
            share.unfinished - share.behind <= self._half
            and share.unfinished <= self._most
            and share.size <= MAX_BYTES // 2
            and share not in self._oversized
        )

    def _find_oversized(self, position: int, progress: Mapping[int, Progress], note: Note) -> None:
        """Find the shares which make the note of a commit too long, as one does with many gaps or failed attempts."""
        if note.complete and len(note.text) <= NOTE_ROOM:
            self._oversized.clear()
        elif not note.complete or len(note.text) >= NOTE_FULL:
            for share, (target, own) in zip(self.shares, progress.items(), strict=True):
                part = encode(position, {target: own}) if len(self.shares) > 1 else note
                if not part.complete or len(part.text) >= NOTE_FULL // len(self.shares):
                    self._oversized.add(share)
                else:
                    self._oversized.discard(share)

    def _change(self) -> None:
        self._changes += 1
        self._changed(self)
