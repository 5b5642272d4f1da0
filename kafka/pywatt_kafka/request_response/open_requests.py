"""Tracks the open requests of one partition, and the offset to commit."""

from __future__ import annotations


class OpenRequests:
    """The open requests of one partition."""

    __slots__ = ("_taken", "committed", "position")

    def __init__(self) -> None:
        self._taken: dict[int, bool] = {}
        self.position: int | None = None
        """The offset to commit: that of the oldest open request."""
        self.committed: int | None = None
        """The offset that was committed last."""

    def take(self, offset: int) -> None:
        """Add a request; offsets must rise."""
        if not self._taken:
            self.position = offset
        self._taken[offset] = False

    def finish(self, offset: int) -> None:
        """Mark a request as done."""
        taken = self._taken
        taken[offset] = True
        while taken:
            first, finished = next(iter(taken.items()))
            if not finished:
                self.position = first
                return
            del taken[first]
            self.position = first + 1
