"""Selects log records by level, time, service, text, trace and the values of their keys (pure)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pywatt.config.model import LogLevel
from pywatt.logs.lines import LogRecord

TRACE_KEYS = ("trace_id", "traceId", "trace.id", "traceID")
"""Keys under which loggers write the id of a trace: OpenTelemetry's, pino's and the Elastic Common Schema's."""
_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"(?P<key>[^=<>!]+)(?P<sign>!=|>=|<=|=|>|<)(?P<value>.*)", re.DOTALL)
_ABSENT = object()
_LEVEL_KEY = "level"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of one key's value, such as `err.type=ValueError` or `status>=500`."""

    path: tuple[str, ...]
    sign: str
    text: str
    number: float | None
    """The value as a number, if it is one."""

    def holds(self, record: LogRecord) -> bool:
        """Return whether the record has the key, with such a value; `!=` holds without the key, too."""
        value = _value(record, self.path)
        if self.sign == "!=":
            return value is _ABSENT or not self._equals(value)
        if value is _ABSENT:
            return False
        if self.sign == "=":
            return self._equals(value)
        compare = _COMPARISONS[self.sign]
        number = _number(value)
        if self.number is not None:
            return number is not None and compare(number, self.number)
        return isinstance(value, str) and compare(value, self.text)

    def _equals(self, value: object) -> bool:
        if isinstance(value, (list, tuple)):
            return any(self._equals(each) for each in value)
        if value is None or isinstance(value, bool):
            return self.text == {None: "null", True: "true", False: "false"}[value]
        if self.number is not None and (number := _number(value)) is not None:
            return number == self.number
        return str(value) == self.text


def parse_condition(text: str) -> Condition:
    """Read `key=value`, `key!=value` or a comparison by `<`, `<=`, `>`, `>=`; a dot leads into an object.

    Raises ValueError.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no condition: write one such as status=500, err.type=KeyError or ms>=20")
    key, value = match["key"].strip(), match["value"].strip()
    number = _number(value)
    if key == _LEVEL_KEY and value.upper() in LogLevel.__members__:
        number = float(LogLevel[value.upper()])
    return Condition(tuple(key.split(".")), match["sign"], value, number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """The records that are wanted: those that meet every part which is given."""

    level: LogLevel = LogLevel.TRACE
    """The least level."""
    since: int = 0
    """Milliseconds since the epoch."""
    services: frozenset[str] = frozenset()
    """Empty: all of them, and pywatt itself."""
    pattern: re.Pattern[str] | None = None
    """Is searched for in the message, and in every text below the further keys, such as a traceback."""
    trace: str = ""
    conditions: tuple[Condition, ...] = ()

    def takes(self, record: LogRecord) -> bool:
        """Return whether a record is wanted."""
        return (
            record.level >= self.level
            and record.time >= self.since
            and (not self.services or record.name in self.services)
            and (not self.trace or _trace(record) == self.trace)
            and all(condition.holds(record) for condition in self.conditions)
            and (self.pattern is None or _found(self.pattern, record))
        )

    def may_take(self, line: bytes) -> bool:
        """Return False for a line that cannot be a wanted record, which is cheaper than to read it."""
        return not self.trace or self.trace.encode() in line.lower()


def record_filter(
    *,
    level: LogLevel = LogLevel.TRACE,
    since: int = 0,
    services: Iterable[str] = (),
    grep: str | None = None,
    trace: str | None = None,
    where: Iterable[str] = (),
) -> RecordFilter:
    """Return the filter of what a user wrote. Raises ValueError for a malformed expression or condition."""
    try:
        pattern = re.compile(grep) if grep else None
    except re.error as error:
        raise ValueError(f"{grep!r} is no regular expression: {error}") from None
    return RecordFilter(
        level=level,
        since=since,
        services=frozenset(services),
        pattern=pattern,
        trace=(trace or "").strip().lower(),
        conditions=tuple(map(parse_condition, where)),
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _value(record: LogRecord, path: tuple[str, ...]) -> Any:
    if path == (_LEVEL_KEY,):
        return record.level if record.number is None else record.number
    if len(path) == 1 and path[0] in ("time", "msg", "pid", "name", "worker"):
        value = getattr(record, path[0])
        return _ABSENT if value is None else value
    return _below(record.extra, path)


def _below(value: object, path: tuple[str, ...]) -> Any:
    """Return the value at a path; a key may have dots in it itself, as `http.status_code` of OpenTelemetry."""
    if not path:
        return value
    if isinstance(value, Mapping):
        for length in range(len(path), 0, -1):
            key = ".".join(path[:length])
            if key in value:
                return _below(value[key], path[length:])
    elif isinstance(value, (list, tuple)) and path[0].isdigit() and int(path[0]) < len(value):
        return _below(value[int(path[0])], path[1:])
    return _ABSENT


def _trace(record: LogRecord) -> str | None:
    for key in TRACE_KEYS:
        value = record.extra.get(key)
        if isinstance(value, str):
            return value.lower()
    value = _below(record.extra, ("trace", "id"))
    return value.lower() if isinstance(value, str) else None


def _found(pattern: re.Pattern[str], record: LogRecord) -> bool:
    return pattern.search(record.msg) is not None or any(
        pattern.search(text) is not None for text in _texts(record.extra)
    )


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield str(value)
