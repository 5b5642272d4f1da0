"""A queue of bytes for a connection that receives more than it may handle yet."""

from __future__ import annotations

COMPACT_SIZE = 64 * 1024
"""Consumed bytes above which the buffer is compacted."""


class ByteQueue:
    """Hands bytes out piece by piece without copying the rest each time."""

    __slots__ = ("_data", "_start")

    def __init__(self) -> None:
        self._data = bytearray()
        self._start = 0

    def __len__(self) -> int:
        return len(self._data) - self._start

    def add(self, data: bytes) -> None:
        """Append bytes."""
        self._data += data

    def first(self, size: int) -> bytes:
        """Return the first bytes without removing them."""
        return bytes(memoryview(self._data)[self._start : self._start + size])

    def drop(self, size: int) -> None:
        """Remove the first bytes."""
        self._start += size
        if self._start >= len(self._data):
            self._data = bytearray()
            self._start = 0
        elif self._start > COMPACT_SIZE:
            del self._data[: self._start]
            self._start = 0

    def take(self) -> bytes:
        """Return all bytes and empty the queue."""
        data = self.first(len(self))
        self.drop(len(data))
        return data
