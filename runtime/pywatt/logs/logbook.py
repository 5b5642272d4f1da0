"""The log of a running app: passes every record to the output of `pywatt start`, and to the history on disk.

Neither is waited for. While a reader is slow, the workers' pipes are left unread, so that nothing is lost; when it
takes nothing at all, they are read again as fast as the disk takes it; what does not fit is counted, told, and still
found in the history.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from pywatt.config.logger_model import DEFAULT_ROTATION, Rotation
from pywatt.config.model import LogLevel
from pywatt.logs.backpressure import OutputBackpressure
from pywatt.logs.batch_writer import BatchWriter
from pywatt.logs.history import History, RingWriter
from pywatt.logs.lines import LogRecord, OutputStream
from pywatt.logs.ndjson import to_line
from pywatt.logs.output import PrettyLines, open_output

if TYPE_CHECKING:
    from pywatt.logs.routing import LoggerSettings, Render, Routing

HIGH_BYTES, LOW_BYTES = 1024 * 1024, 256 * 1024
"""Reading stops when so much is waiting to be taken, and goes on when it is less than that."""
STUCK_SECONDS = 1.0
"""Seconds without any bytes taken after which a reader counts as stuck: services must not wait for it any longer."""
CHECK_SECONDS = 0.02
LINGER_SECONDS = 0.2
"""Seconds for which records are gathered before they are written to disk."""
CLOSE_SECONDS = 2.0
"""Seconds for which the end waits for a stuck reader."""
OWN_NAME = "pywatt"
_LINE_BREAK = ord("\n")


class Logbook:
    """Takes the app's records; made by `open_logbook`."""

    def __init__(self, stream: TextIO, level: LogLevel, history: History | None, rotation: Rotation) -> None:
        self.level = level
        """Records below it are kept but not shown."""
        self.backpressure = OutputBackpressure()
        self._stuck: set[BatchWriter] = set()
        self._hostname = socket.gethostname()
        self._torn = False
        """True if the output ends in the middle of a line."""
        self._descriptor = stream.fileno()
        self._output = open_output(stream)
        self._shown = BatchWriter(self._print, name="output", notice=self._not_shown, failed=self._cannot_show)
        self._writers = [self._shown]
        self._checking = False
        self._settings: LoggerSettings | None = None
        self._routing: Routing | None = None
        """None: all records go their usual way."""
        self._raw_errors: BatchWriter | None = None
        self._kept: BatchWriter | None = None
        self._ring: RingWriter | None = None
        if history is not None:
            self._ring = RingWriter(history, rotation.max_size, files=rotation.max_files, interval=rotation.interval)
            self._kept = BatchWriter(
                self._ring.write,
                name="history",
                notice=self._not_kept,
                failed=self._cannot_keep,
                linger=LINGER_SECONDS,
            )
            self._writers.append(self._kept)

    def configure(self, level: LogLevel, settings: LoggerSettings | None) -> None:
        """Take the settings of a configuration, at the start and after a reload. Raises StartError.

        It may take seconds, if the old transports do not take what they still have to.
        """
        self.level = level
        if settings == self._settings:
            return
        routing = None
        if settings is not None and not settings.plain:
            from pywatt.logs.routing import Routing

            routing = Routing(settings, self._hostname, self._tell)
        old, self._routing, self._settings = self._routing, routing, settings
        if isinstance(self._output, PrettyLines):
            self._output.labels = routing.labels if routing is not None else {}
        if old is not None:
            old.close(CLOSE_SECONDS)

    def print_raw(self, stream: OutputStream, line: bytes) -> None:
        """Write a line of a service as it is."""
        if stream is OutputStream.STDOUT:
            self._shown.write(line + b"\n")
            return
        if self._raw_errors is None:
            self._raw_errors = BatchWriter(_to_stderr, name="stderr", notice=_no_notice, failed=_ignore)
        self._raw_errors.write(line + b"\n")

    def keep(self, level: LogLevel, message: str) -> None:
        """Keep a line of pywatt's own for `pywatt logs` that is shown to the user in another form."""
        if self._kept is not None:
            self._kept.write(self._kept_line(_own(message, level)), urgent=True)

    def say(self, level: LogLevel, message: str) -> None:
        """Write a line of pywatt's own."""
        self.write(_own(message, level))

    def write(self, record: LogRecord) -> None:
        """Take one record."""
        if self._routing is not None:
            self._write_routed(record, self._routing)
        else:
            if self._kept is not None:
                self._kept.write(self._kept_line(record), urgent=record.level >= LogLevel.FATAL)
            if record.level >= self.level:
                self._shown.write(self._shown_line(record))
        if self.backpressure.reading and not self.backpressure.held and self._waiting() > HIGH_BYTES:
            self.backpressure.hold()
            if not self._checking:
                self._check_later()

    def _write_routed(self, record: LogRecord, routing: Routing) -> None:
        route = routing.of(record)
        number = record.number or record.level
        if number < route.threshold:
            return
        if route.redaction is not None:
            record = route.redaction.apply(record)
        if self._kept is not None:
            self._kept.write(self._kept_line(record), urgent=record.level >= LogLevel.FATAL)
        if record.level < self.level:
            return
        if not route.transports:
            self._shown.write(self._shown_line(record, route.render))
        for transport in route.transports:
            if number >= transport.level:
                render = transport.render or route.render or self._json
                text = render(record) + "\n"
                transport.writer.write(text.encode("utf-8", "backslashreplace"), urgent=record.level >= LogLevel.FATAL)

    def close(self) -> None:
        """Pass on the rest; report lost lines on standard error."""
        if self._routing is not None:
            self._routing.close(CLOSE_SECONDS)
        if self._raw_errors is not None:
            self._raw_errors.close(CLOSE_SECONDS)
        # The history first: if it cannot be written, the output tells.
        if self._kept is not None and self._ring is not None and not self._kept.close(CLOSE_SECONDS):
            self._ring.close()
        lost = self._shown.close(CLOSE_SECONDS)
        error = self._shown.failure
        if lost and not isinstance(error, BrokenPipeError):  # a reader that has left (`| head`) knows
            with suppress(OSError):
                sys.stderr.write(f"{lost} lines of output were not shown: {_why(error, 'nobody reads them')}\n")

    def _waiting(self) -> int:
        """Return how many bytes wait for a writer that gets on, however slowly."""
        return max((writer.pending for writer in self._writers if writer not in self._stuck), default=0)

    def _check_later(self) -> None:
        self._checking = True
        asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _check(self) -> None:
        """Resume reading when the waiting bytes have been taken, or when every late reader is stuck."""
        self._checking = False
        late = {writer for writer in self._writers if writer.pending > LOW_BYTES}
        self._stuck &= late
        if self.backpressure.held:
            now = time.monotonic()
            self._stuck |= {writer for writer in late if now - writer.passed_at > STUCK_SECONDS}
            if late <= self._stuck:
                self.backpressure.release()
        if late:
            self._check_later()

    def _print(self, batch: bytes) -> None:
        view = memoryview(b"\n" + batch if self._torn else batch)
        while view:
            try:
                written = os.write(self._descriptor, view)
            except BlockingIOError:  # the descriptor is shared with a program that made it non-blocking
                select.select([], [self._descriptor], [])
                continue
            self._torn = view[written - 1] != _LINE_BREAK
            view = view[written:]

    def _cannot_show(self, error: OSError) -> None:
        """Tell it where it can be told; a reader that has left (`pywatt start | head`) is no fault."""
        if not isinstance(error, BrokenPipeError):
            self.keep(LogLevel.WARN, f"the output cannot be written: {error.strerror or error}")

    def _cannot_keep(self, error: OSError) -> None:
        where = f": {error.filename}" if error.filename else ""
        self._shown.write(
            self._shown_line(_own(f"the log cannot be kept for `pywatt logs`: {error.strerror or error}{where}"))
        )

    def _not_shown(self, count: int, error: OSError | None) -> bytes:
        where = "; `pywatt logs` has them" if self._kept is not None else ""
        return self._shown_line(_own(f"{count} lines were not shown: {_why(error, 'nobody took them')}{where}"))

    def _not_kept(self, count: int, error: OSError | None) -> bytes:
        return self._kept_line(_own(f"{count} lines were not kept: {_why(error, 'the disk did not take them')}"))

    def _tell(self, message: str) -> None:
        """Log what a transport meets; called in its thread."""
        if self._routing is not None:
            self._write_routed(_own(message), self._routing)

    def _shown_line(self, record: LogRecord, render: Render | None = None) -> bytes:
        if render is None or isinstance(self._output, PrettyLines):
            render = self._output.render
        return (render(record) + "\n").encode("utf-8", "backslashreplace")

    def _json(self, record: LogRecord) -> str:
        return to_line(record, self._hostname)

    def _kept_line(self, record: LogRecord) -> bytes:
        return (to_line(record, self._hostname) + "\n").encode("utf-8", "backslashreplace")


def _to_stderr(batch: bytes) -> None:
    sys.stderr.buffer.write(batch)
    sys.stderr.buffer.flush()


def _no_notice(_count: int, _error: OSError | None) -> bytes:
    return b""  # a reader of raw output expects nothing else in it


def _ignore(_error: OSError) -> None:
    """Do nothing: where standard error cannot be written, nobody can be told."""


def _why(error: OSError | None, otherwise: str) -> str:
    return otherwise if error is None else error.strerror or str(error)


def _own(message: str, level: LogLevel = LogLevel.WARN) -> LogRecord:
    return LogRecord(level=level, time=time.time_ns() // 1_000_000, name=OWN_NAME, msg=message, pid=os.getpid())


@contextmanager
def open_logbook(
    stream: TextIO,
    level: LogLevel,
    history: History | None,
    rotation: Rotation = DEFAULT_ROTATION,
    settings: LoggerSettings | None = None,
) -> Iterator[Logbook]:
    """Show records from `level` on at the stream and keep all of them in a history, if there is one.

    `settings`: of services whose records go another way. Raises StartError.
    """
    logbook = Logbook(stream, level, history, rotation)
    try:
        logbook.configure(level, settings)
        yield logbook
    finally:
        logbook.close()
