"""Writes log records: pretty and coloured for people, NDJSON in pino's form for programs."""

from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import Mapping
from functools import partial
from typing import Protocol, TextIO

from pywatt.config.model import LogLevel
from pywatt.logs.escapes import for_terminal
from pywatt.logs.json_object import LATEST
from pywatt.logs.lines import LogRecord
from pywatt.logs.ndjson import to_line

_RESET, _DIM = "\x1b[0m", "\x1b[2m"
_LEVEL_COLOURS = {
    LogLevel.TRACE: "\x1b[90m",
    LogLevel.DEBUG: "\x1b[34m",
    LogLevel.INFO: "\x1b[32m",
    LogLevel.WARN: "\x1b[33m",
    LogLevel.ERROR: "\x1b[31m",
    LogLevel.FATAL: "\x1b[41m",
}
_NAME_COLOURS = ("\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[33m", "\x1b[32m", "\x1b[96m", "\x1b[95m", "\x1b[94m")


WIDE = 100
"""Columns of a terminal that is not narrow."""


class LogOutput(Protocol):
    """Takes the app's log records, in order."""

    def render(self, record: LogRecord) -> str:
        """Return the text of one record, without a final line break."""
        ...

    def write(self, record: LogRecord) -> None:
        """Write one record; never raises for a reader that went away."""
        ...


class JsonLines:
    """One JSON object per record, with pino's keys."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._hostname = socket.gethostname()

    def render(self, record: LogRecord) -> str:
        """Return the record's JSON."""
        return to_line(record, self._hostname)

    def write(self, record: LogRecord) -> None:
        """Write one record."""
        _print(self._stream, self.render(record))


class PrettyLines:
    """One line per record for a person: time, level, service, message; errors with their traceback below."""

    def __init__(
        self,
        stream: TextIO,
        *,
        colour: bool,
        dated: bool = False,
        narrow: bool = False,
        labels: Mapping[int, str] | None = None,
    ) -> None:
        """`dated`: show the day as well; `narrow`: no milliseconds, so that the app's URL fits on the line.

        `labels`: names of the levels that are not pino's.
        """
        self.labels = labels or {}
        self._stream = stream
        self._colour = colour
        self._safe = partial(for_terminal, colour=colour)
        self._clock = "%Y-%m-%d %H:%M:%S" if dated else "%H:%M:%S"
        self._narrow = narrow
        self._names: dict[str, str] = {}

    def render(self, record: LogRecord) -> str:
        """Return the record's line, and a traceback below it."""
        moment = min(max(record.time, 0), LATEST)
        clock = time.strftime(self._clock, time.localtime(moment / 1000))
        clock += "" if self._narrow else f".{moment % 1000:03d}"
        label = (
            record.level.name if record.number is None else self.labels.get(record.number, str(record.number)).upper()
        )
        level = self._paint(f"{label:<5}", _LEVEL_COLOURS.get(record.level, ""))
        name = record.name if record.worker in (None, 0) else f"{record.name}:{record.worker}"
        name = self._paint(f"{name:<12}", self._name_colour(record.name))
        text = f"{self._paint(f'[{clock}]', _DIM)} {level} {name} {self._safe(record.msg)}"
        error = record.extra.get("err")
        if isinstance(error, dict) and error.get("stack"):
            text += "\n" + self._safe(str(error["stack"]).rstrip())
        return text

    def write(self, record: LogRecord) -> None:
        """Write one record."""
        _print(self._stream, self.render(record))

    def _name_colour(self, name: str) -> str:
        if name not in self._names:
            self._names[name] = _NAME_COLOURS[len(self._names) % len(_NAME_COLOURS)]
        return self._names[name]

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour and colour else text


def _print(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except (BrokenPipeError, ValueError):
        # The reader of our output is gone (`pywatt start | head`): the app itself goes on.
        return


def open_output(stream: TextIO, *, dated: bool = False) -> LogOutput:
    """Return the output that suits the stream; `dated`: lines for people show the day as well."""
    if stream.isatty():
        narrow = shutil.get_terminal_size().columns < WIDE
        return PrettyLines(stream, colour="NO_COLOR" not in os.environ, dated=dated, narrow=narrow)
    return JsonLines(stream)
