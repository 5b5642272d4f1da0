"""Reads records whose header names are not UTF-8, which Kafka allows and aiokafka fails on. Imports aiokafka.

Without this, such a record and all records after it could never be read: any writer of a topic could block all its
readers. Bytes of a name that are not UTF-8 become U+FFFD.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

LENGTH = slice(8, 12)
"""Position of the length of a batch: the number of bytes that follow."""
MAGIC = 16
"""Position of the format version of a batch ..."""
WITH_HEADERS = 2
"""... and the first version with record headers."""


def install() -> None:
    """Patch aiokafka's fetcher, for all consumers."""
    fetcher.MemoryRecords = _Records
    fetcher.PartitionRecords = _PartitionRecords


class _Records(MemoryRecords):  # type: ignore[misc]
    """The fetched records of one partition; keeps their bytes, to read them again."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)  # pyright: ignore[reportAbstractUsage]
        self.data = data


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition; switches to the tolerant reader where parsing fails."""

    _records: Any
    _records_iterator: Any

    def __next__(self) -> Any:
        try:
            return next(self._records_iterator)
        except StopIteration:
            self._records_iterator = None
            raise
        except (UnicodeDecodeError, CorruptRecordException):
            if not isinstance(self._records, _Records):
                raise
            # From the beginning: the fetcher skips the records already returned, by offset.
            self._records = _TolerantRecords(self._records.data)
            self._records_iterator = self._unpack_records()
            return next(self)


class _TolerantRecords:
    """Parses batch by batch, in Python."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def has_next(self) -> bool:
        """Return whether there is another complete batch."""
        return len(self._data) > self._at + MAGIC and self._at + MAGIC < self._end() <= len(self._data)

    def next_batch(self) -> Any:
        """Return the next batch."""
        batch, self._at = self._data[self._at : self._end()], self._end()
        if batch[MAGIC] < WITH_HEADERS:
            return MemoryRecords(bytes(batch)).next_batch()
        return _TolerantBatch(batch)

    def _end(self) -> int:
        length = self._data[self._at + LENGTH.start : self._at + LENGTH.stop]
        return self._at + LENGTH.stop + int.from_bytes(length, signed=True)


class _TolerantBatch(_DefaultRecordBatchPy):  # type: ignore[misc]
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _TolerantBytes(self._buffer)


class _TolerantBytes(bytearray):
    """Bytes whose slices always decode to text."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _TolerantBytes(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Decode as bytearray does, with U+FFFD for invalid bytes."""
        return super().decode(encoding, "replace")
