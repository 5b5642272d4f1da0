"""Parses the output of a process into log records (pure)."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt.config.model import LogLevel
from pywatt.logs.json_object import is_level, is_time, read_object
from pywatt.logs.levels import LEVELS, level_in_object, level_in_text, nearest_level

MAX_LINE_BYTES = 1024 * 1024
"""A longer line is cut into several records, between characters."""
_LONGEST_CHARACTER = 4
"""Bytes in UTF-8."""
_FURTHER_BYTE = range(0x80, 0xC0)
OWN_KEYS = frozenset({"level", "time", "msg", "pid", "hostname", "name", "worker"})
"""Keys that are no further fields of a record: its level, time and message, and keys that the supervisor sets."""


class OutputStream(enum.StrEnum):
    """The stream that a line came from."""

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
    number: int | None = None
    """The number of its level where that is none of pino's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The process that a line came from."""

    name: str
    pid: int
    worker: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """The output of a process until a line break, or a part of it."""

    text: bytes
    continues: bool = False
    """True if it is a further part of a line that was too long."""


class TextLevels:
    """The level of each text of one stream: the one that it names, else that of the line which it continues."""

    def __init__(self, default: LogLevel) -> None:
        self._default = default
        self._last = default

    def of(self, text: str, *, continues: bool = False, known: LogLevel | None = None) -> LogLevel:
        """Return the level of the next text; `known`: its level, if that has been found already."""
        if continues or (text[:1] in (" ", "\t") and known is None and not text.startswith("  + Exception")):
            return self._last
        self._last = known or level_in_text(text) or self._default
        return self._last


def parse_line(
    line: bytes, levels: TextLevels, source: Source, now_ms: Callable[[], int], *, continues: bool = False
) -> LogRecord:
    """Read one printed line: a JSON record in pino's form is taken as it is, anything else becomes a message.

    Never raises. `continues`: the line is a further part of the one before.
    """
    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
    known = None
    if text.startswith("{") and not continues:
        document = read_object(text)
        if document is not None:
            record = _structured(document, source)
            if record is not None:
                levels.of("", known=record.level)
                return record
            known = level_in_object(document)
    level = levels.of(text, continues=continues, known=known)
    return LogRecord(level=level, time=now_ms(), name=source.name, msg=text, pid=source.pid, worker=source.worker)


def read_record(line: bytes, source: Source) -> LogRecord | None:
    """Return the record of a line of JSON in pino's form; None for any other line. Never raises."""
    if line[:1] != b"{":
        return None
    document = read_object(line.decode("utf-8", "backslashreplace"))
    return None if document is None else _structured(document, source)


def _structured(document: Mapping[str, Any], source: Source) -> LogRecord | None:
    level, time, msg = document.get("level"), document.get("time"), document.get("msg")
    if not (is_level(level) and is_time(time) and isinstance(msg, str)):
        return None
    own = LEVELS.get(level)
    return LogRecord(
        level=own or nearest_level(level),
        number=None if own else level,
        time=int(time),
        name=source.name,
        msg=msg,
        pid=source.pid,
        worker=source.worker,
        extra={key: value for key, value in document.items() if key not in OWN_KEYS},
    )


class LineSplitter:
    """Splits the bytes of a pipe into lines, of bounded length."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._continues = False

    def feed(self, data: bytes) -> list[Line]:
        """Return the lines that the new bytes complete."""
        *ended, rest = data.split(b"\n")
        lines: list[Line] = []
        for part in ended:
            self._rest += part
            lines += self._cut()
            lines.append(Line(bytes(self._rest), self._continues))
            self._rest.clear()
            self._continues = False
        self._rest += rest
        return [*lines, *self._cut()]

    def rest(self) -> list[Line]:
        """Return the rest when the pipe has ended, if any."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [Line(rest, self._continues)] if rest else []

    def _cut(self) -> list[Line]:
        """Return the parts of a line that has become too long, and keep the rest of it."""
        lines = []
        while len(self._rest) > MAX_LINE_BYTES:
            end = _border(self._rest, MAX_LINE_BYTES)
            lines.append(Line(bytes(self._rest[:end]), self._continues))
            del self._rest[:end]
            self._continues = True
        return lines


def _border(text: bytearray, end: int) -> int:
    """Return the last place, not after `end`, that is not inside a character; `end` itself if it is no UTF-8."""
    for place in range(end, end - _LONGEST_CHARACTER, -1):
        if text[place] not in _FURTHER_BYTE:
            return place
    return end
