"""The redriven letters of a partition, stored as a committed offset with metadata.

The offset is that of the first letter that was not redriven; the metadata lists later ones that were, as ranges.
"""

from __future__ import annotations

from collections.abc import Iterable

MAX_NOTE = 4000  # bytes; the broker takes 4,096


class RedrivenOffsets:
    """The redriven letters of one partition."""

    def __init__(self, position: int = 0, ranges: Iterable[tuple[int, int]] = ()) -> None:
        """`ranges`: first and last offset of each range after `position`, in order."""
        self.position = position
        self._ranges = list(ranges)

    @classmethod
    def parse(cls, position: int, note: str) -> RedrivenOffsets:
        """Parse the value of `note`; metadata in another form counts as empty."""
        try:
            pairs = [part.split("-") for part in note.split(",") if part]
            return cls(position, [(position + int(pair[0]), position + int(pair[-1])) for pair in pairs])
        except ValueError:
            return cls(position)

    @property
    def note(self) -> str:
        """The ranges as text, relative to the position."""
        return ",".join(
            f"{first - self.position}-{last - self.position}" if last > first else str(first - self.position)
            for first, last in self._ranges
        )

    @property
    def fits(self) -> bool:
        """True if the metadata is within the broker's limit."""
        return len(self.note) <= MAX_NOTE

    def __contains__(self, offset: int) -> bool:
        return offset < self.position or any(first <= offset <= last for first, last in self._ranges)

    def add(self, first: int, last: int | None = None) -> None:
        """Record a redriven letter, or a range of them; offsets without a letter may be included."""
        last = first if last is None else last
        if last < self.position:
            return
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self._ranges, (max(first, self.position), last)]):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], high))
            else:
                merged.append((low, high))
        if merged[0][0] <= self.position:
            self.position = merged.pop(0)[1] + 1
        self._ranges = merged
