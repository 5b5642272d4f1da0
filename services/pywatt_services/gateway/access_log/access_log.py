"""Gathers entries for some milliseconds, formats them together, and hands them to a thread that writes.

A disk or reader that is slow holds no request up: lines that it does not take are dropped, and their number is logged.
"""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from pywatt.logs.batch_writer import BatchWriter
from pywatt.logs.transports.rotating_file import SharedFile
from pywatt_services.gateway.access_log.entry import AccessEntry
from pywatt_services.gateway.access_log.formats import ATOMIC, Format, line_format
from pywatt_services.gateway.access_log.options import AccessLogOptions

FLUSH_SECONDS = 0.01
PER_TURN = 100
"""Entries that are formatted in one turn of the event loop."""
LINGER_SECONDS = 0.05
CLOSE_PATIENCE = 2.0
LIMIT_BYTES = 8 * 1024 * 1024
"""Bytes of lines that wait to be written."""

logger = logging.getLogger("pywatt.gateway")
CallLater = Callable[[float, Callable[[], None]], object]


class Writer(Protocol):
    """Takes lines and never waits: see `pywatt.logs.batch_writer.BatchWriter`."""

    def write(self, line: bytes, *, lines: int = 1) -> None:
        """Queue lines."""
        ...


class AccessLog:
    """The access log of one worker."""

    def __init__(self, line: Format, writer: Writer, call_later: CallLater) -> None:
        self._line = line
        self._writer = writer
        self._call_later = call_later
        self._entries: list[AccessEntry] = []

    def add(self, entry: AccessEntry) -> None:
        """Log a request that has ended."""
        entries = self._entries
        entries.append(entry)
        if len(entries) == 1:
            self._call_later(FLUSH_SECONDS, self._flush)

    def close(self) -> None:
        """Format what is left."""
        while self._entries:
            self._format()

    def _flush(self) -> None:
        self._format()
        if self._entries:
            self._call_later(0, self._flush)

    def _format(self) -> None:
        entries, self._entries = self._entries[:PER_TURN], self._entries[PER_TURN:]
        if entries:
            self._writer.write(b"".join([self._line(entry) for entry in entries]), lines=len(entries))


@contextmanager
def open_access_log(options: AccessLogOptions, call_later: CallLater) -> Iterator[AccessLog]:
    """Write an access log while the context is open."""
    file = None if options.file is None else SharedFile(options.file, options.rotation)
    place = "the output" if options.file is None else str(options.file)
    writer = BatchWriter(
        _write_records if file is None else file.write,
        name="access-log",
        notice=lambda count, error: _notice(place, count, error),
        failed=lambda error: logger.warning("the access log cannot be written to %s: %s", place, error.strerror),
        linger=LINGER_SECONDS,
        limit=LIMIT_BYTES,
    )
    log = AccessLog(line_format(options.format, options.query, records=file is None), writer, call_later)
    try:
        yield log
    finally:
        log.close()
        lost = writer.close(CLOSE_PATIENCE)
        if lost:
            _notice(place, lost, None)
        if file is not None:
            file.close()


def _notice(place: str, count: int, error: OSError | None) -> bytes:
    why = "they came faster than it takes them" if error is None else error.strerror
    logger.warning("%d requests are missing in the access log, %s: %s", count, place, why)
    return b""


def _write_records(batch: bytes) -> None:
    """Write lines to standard output, in pieces that no other thread's line can come between."""
    begin = 0
    while begin < len(batch):
        end = len(batch)
        if end - begin > ATOMIC:
            end = (batch.rfind(b"\n", begin, begin + ATOMIC) + 1) or (batch.find(b"\n", begin) + 1)
        view = memoryview(batch)[begin:end]
        while view:
            try:
                view = view[os.write(1, view) :]
            except BlockingIOError:
                select.select([], [1], [])
        begin = end
