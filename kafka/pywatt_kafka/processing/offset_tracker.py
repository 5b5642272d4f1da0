"""Tracks the lowest unfinished offset of one target in one partition, and the progress beyond it; commits nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from pywatt_kafka.processing.commit_metadata import NO_PROGRESS, AttemptRecord, Progress

SLACK = 1024  # finished offsets that may stay in the queue of taken ones before it is cleared of them


class OffsetTracker:
    """Follows the records of one partition from being taken to being finished, in any order."""

    __slots__ = ("_attempts", "_before", "_next", "_taken", "_unfinished", "behind", "size")

    def __init__(self, start: int | None = None, before: Progress = NO_PROGRESS) -> None:
        """`start`: the offset that reading begins at, if it is known. `before`: what predecessors did beyond it."""
        self._taken: deque[int] = deque()
        """Rising; the first one is unfinished."""
        self._unfinished: set[int] = set()
        self._next = start
        self._before: deque[range] = deque(before.finished)
        self._attempts: dict[int, AttemptRecord] = dict(before.attempts)
        self.size = 0
        """Bytes of unfinished records; maintained by the partition."""
        self.behind = 0
        """Unfinished records behind a failed one of their key; maintained by the partition."""

    def take(self, offset: int) -> bool:
        """Note that the record at `offset` was read; return whether it is still to be worked on.

        Raises ValueError unless offsets rise.
        """
        if self._next is not None and offset < self._next:
            raise ValueError(f"offset {offset} was taken already: the next one is {self._next}")
        self._next = offset + 1
        if self._before and self._finished_before(offset):
            return False
        self._taken.append(offset)
        self._unfinished.add(offset)
        return True

    def skip_to(self, offset: int) -> None:
        """Note that there is no record from the next offset up to `offset`."""
        if self._next is None or self._next < offset:
            self._next = offset

    def finish(self, offset: int) -> None:
        """Note that the record at `offset`, taken before, needs no further work."""
        taken, unfinished = self._taken, self._unfinished
        unfinished.remove(offset)
        if self._attempts:
            self._attempts.pop(offset, None)
        while taken and taken[0] not in unfinished:
            taken.popleft()
        if len(taken) > 2 * len(unfinished) + SLACK:
            self._taken = deque(each for each in taken if each in unfinished)

    def try_again(self, offset: int, record: AttemptRecord) -> None:
        """Note that attempts at the record at `offset` failed and that there will be another."""
        self._attempts[offset] = record

    def attempt_record(self, offset: int) -> AttemptRecord | None:
        """Return the failed attempts of a record, by this worker or an earlier one."""
        return self._attempts.get(offset) if self._attempts else None

    @property
    def unfinished(self) -> int:
        """Number of records that were taken and not finished."""
        return len(self._unfinished)

    @property
    def next(self) -> int | None:
        """The offset to read next; None when that is not known yet."""
        return self._next

    @property
    def position(self) -> int | None:
        """The offset to commit, at which a successor resumes. None when nothing was taken yet."""
        return self._taken[0] if self._taken else self._next

    def progress(self, position: int) -> Progress:
        """Return the progress from `position` on, which is at or below this target's own position.

        An offset without a record, as in compacted topics, counts as finished.
        """
        finished: list[range] = []
        at = position
        for run in self._runs_unfinished():
            if run.start > at:
                finished.append(range(at, run.start))
            at = run.stop
        if self._next is not None:
            if self._next > at:
                finished.append(range(at, self._next))
            for later in self._before:
                if later.stop > self._next:
                    _append(finished, range(max(later.start, self._next), later.stop))
        attempts = {offset: each for offset, each in sorted(self._attempts.items()) if offset >= position}
        return Progress(finished=tuple(finished), attempts=attempts)

    def _runs_unfinished(self) -> Iterator[range]:
        """Yield the runs of unfinished offsets: ascending, neither overlapping nor touching."""
        if not self._taken or self._next is None:
            return
        first, unfinished = self._taken[0], self._unfinished
        if self._next - first == len(unfinished):
            yield range(first, self._next)  # all of it, as with a dead target: looking at each offset takes long
            return
        stop = first
        for offset in self._taken:
            if offset in unfinished:
                if offset > stop:
                    yield range(first, stop)
                    first = offset
                stop = offset + 1
        yield range(first, stop)

    def _finished_before(self, offset: int) -> bool:
        while self._before and self._before[0].stop <= offset:
            self._before.popleft()
        return bool(self._before) and offset in self._before[0]


def _append(ranges: list[range], more: range) -> None:
    if ranges and ranges[-1].stop == more.start:
        ranges[-1] = range(ranges[-1].start, more.stop)
    else:
        ranges.append(more)
