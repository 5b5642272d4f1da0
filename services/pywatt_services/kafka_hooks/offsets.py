"""Which offset of one partition may be committed: the lowest one whose record is not finished."""

from __future__ import annotations

from collections import deque


class OffsetTracker:
    """Follows the records of one partition from being taken to being finished, in any order."""

    __slots__ = ("_finished", "_next", "_taken")

    def __init__(self, start: int | None = None) -> None:
        """`start`: the offset that reading begins at, if it is known before the first record."""
        self._taken: deque[int] = deque()
        self._finished: set[int] = set()
        self._next = start

    def take(self, offset: int) -> None:
        """Note that the record at `offset` is now in our hands. Raises ValueError unless offsets rise."""
        if self.knows(offset):
            raise ValueError(f"offset {offset} was taken already: the next one is {self._next}")
        self._taken.append(offset)
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Note that the record at `offset`, taken before, needs no further work."""
        self._finished.add(offset)
        taken, finished = self._taken, self._finished
        while taken and taken[0] in finished:
            finished.remove(taken.popleft())

    def knows(self, offset: int) -> bool:
        """Tell whether that offset, or a later one, was taken already."""
        return self._next is not None and offset < self._next

    @property
    def position(self) -> int | None:
        """The offset to commit: where a successor has to go on. None when nothing was taken yet."""
        return self._taken[0] if self._taken else self._next

    @property
    def span(self) -> int:
        """Records from the lowest unfinished one on, finished or not: what a successor would get again, at most."""
        return len(self._taken)
