"""Bytes of a connection that came before it was their turn."""

from __future__ import annotations

COMPACT_SIZE = 64 * 1024
"""Bytes that were read above which they are let go of."""


class Held:
    """Gives bytes out piece by piece, and does not copy the rest each time."""

    __slots__ = ("_data", "_start")

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0

    def __len__(self) -> int:
        return len(self._data) - self._start

    def add(self, data: bytes) -> None:
        """Hold more."""
        self._data += data

    def first(self, size: int) -> bytes:
        """Return the first bytes, which stay."""
        return bytes(memoryview(self._data)[self._start : self._start + size])

    def drop(self, size: int) -> None:
        """Let go of the first bytes."""
        self._start += size
        if self._start >= len(self._data):
            self._data = bytearray()
            self._start = 0
        elif self._start > COMPACT_SIZE:
            del self._data[: self._start]
            self._start = 0

    def take(self) -> bytes:
        """Return all, and hold nothing any more."""
        data = self.first(len(self))
        self.drop(len(data))
        return data
