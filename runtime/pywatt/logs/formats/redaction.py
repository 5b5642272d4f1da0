"""Hides values of log records by the paths of pino's `redact` (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pywatt.config.logger_model import RedactConfig
from pywatt.logs.lines import LogRecord

_PART = re.compile(
    r"""(?:^|\.)(?P<name>[\w$@\-]+)|(?:^|\.)(?P<star>\*)|\[(?P<index>\d+|\*)\]|\[(?P<quote>["'`])(?P<quoted>[^"'`]+)(?P=quote)\]"""
)
ANY = None
"""A part of a path that stands for every key, or every item."""

Path = tuple[str | int | None, ...]
_GONE = object()


def parse_path(text: str) -> Path:
    """Read a path such as `user.password`, `headers["set-cookie"]` or `users[*].token`. Raises ValueError."""
    parts: list[str | int | None] = []
    place = 0
    while place < len(text):
        match = _PART.match(text, place)
        if match is None:
            raise ValueError(f"{text!r} is no path of a key: {text[place:]!r} cannot be read")
        if match["star"] or match["index"] == "*":
            parts.append(ANY)
        elif match["index"]:
            parts.append(int(match["index"]))
        else:
            parts.append(match["quoted"] or match["name"])
        place = match.end()
    if not parts:
        raise ValueError("an empty path names no key")
    return tuple(parts)


class Redaction:
    """Hides values in records, which stay as they are otherwise."""

    def __init__(self, config: RedactConfig) -> None:
        self._paths = tuple(map(parse_path, config.paths))
        self._value: object = _GONE if config.remove else config.censor
        self._censor = config.censor
        self._message = ("msg",) in self._paths

    def apply(self, record: LogRecord) -> LogRecord:
        """Return the record with its secrets hidden; the same one if it has none."""
        extra: Any = record.extra
        for path in self._paths if extra else ():
            extra = self._hidden(extra, path)
        message = "" if self._value is _GONE else self._censor
        if self._message:
            return replace(record, extra=extra, msg=message)
        return record if extra is record.extra else replace(record, extra=extra)

    def _hidden(self, value: Any, path: Path) -> Any:
        """Return a copy with the value at a path hidden; the value itself if it has nothing there."""
        if not path:
            return self._value
        first, rest = path[0], path[1:]
        if isinstance(value, Mapping):
            keys = list(value) if first is ANY else [first] if first in value else []
            return self._changed(value, dict, keys, rest)
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            indices = range(len(value)) if first is ANY else [first] if _is_index(first, value) else []
            return self._changed(value, list, indices, rest)
        return value

    def _changed(self, value: Any, copy: Any, keys: Any, rest: Path) -> Any:
        result = value
        for key in keys:
            hidden = self._hidden(value[key], rest)
            if hidden is value[key]:
                continue
            if result is value:
                result = copy(value)
            if hidden is not _GONE:
                result[key] = hidden
            elif isinstance(result, dict):
                del result[key]
            else:
                result[key] = None  # an item has no key to leave out, and the others keep their places
        return result


def _is_index(part: object, value: Sequence[Any]) -> bool:
    return isinstance(part, int) and part < len(value)
