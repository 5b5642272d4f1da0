"""Reads records whose headers have names that are no UTF-8, which Kafka allows and aiokafka fails at. Imports aiokafka.

Such a record could never be read, nor anything behind it: whoever may write to a topic could stop all who read it. What
is no UTF-8 in such a name becomes U+FFFD.
"""

from __future__ import annotations

from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

LENGTH = slice(8, 12)
"""Where a batch says how many bytes follow."""
MAGIC = 16
"""Where a batch says of which format it is ..."""
WITH_HEADERS = 2
"""... and since which one records have headers."""


def install() -> None:
    """Have all consumers read like this."""
    fetcher.MemoryRecords = _Records
    fetcher.PartitionRecords = _PartitionRecords


class _Records(MemoryRecords):  # type: ignore[misc]
    """The records that a fetch returned for one partition; keeps their bytes, to be read again."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)  # pyright: ignore[reportAbstractUsage]
        self.data = data


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one partition; reads on in another way where that fails."""

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
            # From the beginning: what was handed out already is passed over by its offset.
            self._records = _TolerantRecords(self._records.data)
            self._records_iterator = self._unpack_records()
            return next(self)


class _TolerantRecords:
    """Reads batch by batch, in Python."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self._at = 0

    def has_next(self) -> bool:
        """Return whether there is another complete batch."""
        return len(self._data) > self._at + MAGIC and self._at + MAGIC < self._end() <= len(self._data)

    def next_batch(self) -> Any:
        """Return it."""
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
    """Bytes whose slices become text, whatever they hold."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return _TolerantBytes(found) if isinstance(key, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """As bytearray's, with U+FFFD for what makes no sense."""
        return super().decode(encoding, "replace")
