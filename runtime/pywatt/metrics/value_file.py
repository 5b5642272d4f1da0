"""Numbers of one process in a memory-mapped file: what was counted stays there when the process is killed.

The format is that of `prometheus_client`'s multi-process mode, so one reader serves pywatt's metrics and users' own: a
32-bit number of used bytes, 4 bytes of padding, then entries. An entry is the length of its key (32 bits), the key in
UTF-8 padded with spaces to a multiple of 8 bytes, and two doubles: the value and its time in seconds since the epoch.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

FIRST_BYTES = 64 * 1024
"""Size of a new file; it is doubled when it is full."""
DOUBLE = 8
"""Bytes of a double."""
_LENGTH = struct.Struct("i")
_PAIR = struct.Struct("dd")

Slots: TypeAlias = "tuple[memoryview[float], tuple[int, ...]]"
"""Doubles that can be written to, and the positions of the wanted ones among them."""


class ValueFile:
    """A file that this process writes. Memory that was handed out stays valid when the file grows."""

    def __init__(self, path: Path, first_bytes: int = FIRST_BYTES) -> None:
        """Make the file. Raises OSError, such as on a full disk."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = first_bytes
        self._used = DOUBLE
        self._reserve()
        _LENGTH.pack_into(self._map, 0, self._used)

    def slots(self, keys: Sequence[str]) -> Slots:
        """Add an entry of the value 0 for each key. Raises OSError when the disk is full."""
        entries = [_entry(key.encode()) for key in keys]
        needed = self._used + sum(map(len, entries))
        if needed > self._size:
            while needed > self._size:
                self._size *= 2
            self._reserve()
        positions: list[int] = []
        for entry in entries:
            self._map[self._used : self._used + len(entry)] = entry
            self._used += len(entry)
            positions.append((self._used - _PAIR.size) // DOUBLE)
        _LENGTH.pack_into(self._map, 0, self._used)  # last: a reader goes by it
        return self._doubles, tuple(positions)

    def _reserve(self) -> None:
        # Without its disk space, a write into the mapped memory could end the process with SIGBUS.
        os.posix_fallocate(self._file, 0, self._size)
        self._map = mmap.mmap(self._file, self._size)
        self._doubles = memoryview(self._map).cast("d")


def memory_slots(keys: Sequence[str]) -> Slots:
    """Return memory of this process alone, for when there is no file."""
    return memoryview(bytearray(DOUBLE * len(keys))).cast("d"), tuple(range(len(keys)))


def read_values(path: Path) -> Iterator[tuple[str, float, float]]:
    """Yield key, value and time of each entry; a damaged file ends early. Raises OSError."""
    data = path.read_bytes()
    if len(data) < DOUBLE:
        return  # its process is making it
    used = min(_LENGTH.unpack_from(data)[0], len(data))
    position = DOUBLE
    while position + _LENGTH.size <= used:
        length = _LENGTH.unpack_from(data, position)[0]
        begin = position + _LENGTH.size
        values = begin + length + _padding(length)
        if length < 0 or values + _PAIR.size > used:
            return
        value, time = _PAIR.unpack_from(data, values)
        yield data[begin : begin + length].decode("utf-8", "replace"), value, time
        position = values + _PAIR.size


def _entry(key: bytes) -> bytes:
    # prometheus_client writes the padded key behind the length of the bare one.
    return _LENGTH.pack(len(key)) + key + b" " * _padding(len(key)) + _PAIR.pack(0.0, 0.0)


def _padding(length: int) -> int:
    return DOUBLE - (length + _LENGTH.size) % DOUBLE
