"""Turns what a process printed into log records (pure)."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt.config.model import LogLevel

MAX_LINE_BYTES = 64 * 1024
"""A longer line is cut into several records."""


class Stream(enum.StrEnum):
    """Where a line came from."""

    STDOUT = "stdout"
    STDERR = "stderr"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """One record of the app's log."""

    level: LogLevel
    time: int
    """Milliseconds since the epoch."""
    name: str
    """The service, or `pywatt` for the supervisor."""
    msg: str
    pid: int
    worker: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of a structured record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Which process a line came from."""

    name: str
    pid: int
    worker: int | None


def parse_line(line: bytes, stream: Stream, source: Source, now_ms: Callable[[], int]) -> LogRecord:
    """Read one printed line: a JSON record in pino's form is taken as it is, anything else becomes a message."""
    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
    if text.startswith("{"):
        record = _structured(text, source)
        if record is not None:
            return record
    level = LogLevel.INFO if stream is Stream.STDOUT else LogLevel.ERROR
    return LogRecord(level=level, time=now_ms(), name=source.name, msg=text, pid=source.pid, worker=source.worker)


def _structured(text: str, source: Source) -> LogRecord | None:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    level, time, msg = document.pop("level", None), document.pop("time", None), document.pop("msg", None)
    if not isinstance(level, int) or not isinstance(time, (int, float)) or not isinstance(msg, str):
        return None
    own = {"pid", "hostname", "name", "worker"}
    return LogRecord(
        level=nearest_level(level),
        time=int(time),
        name=source.name,
        msg=msg,
        pid=source.pid,
        worker=source.worker,
        extra={key: value for key, value in document.items() if key not in own},
    )


def nearest_level(number: int) -> LogLevel:
    """Return the highest level that is not above a number (pino allows custom levels in between)."""
    fitting = [level for level in LogLevel if level <= number and level is not LogLevel.SILENT]
    return max(fitting, default=LogLevel.TRACE)


class LineSplitter:
    """Cuts what a pipe delivers into lines, of bounded length."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that the new bytes complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        while len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return lines

    def rest(self) -> list[bytes]:
        """Return what is left when the pipe has ended, if anything."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []
