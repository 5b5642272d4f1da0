"""Writes log records as lines of JSON in the form that a user has configured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pywatt.config.logger_model import LineFormatConfig, Timestamp
from pywatt.config.model import LogLevel
from pywatt.logs.formats.formatters import HOSTNAME, PID, Formatted
from pywatt.logs.json_object import LATEST
from pywatt.logs.lines import LogRecord
from pywatt.logs.ndjson import escaped


class LineFormat:
    """Writes the records of one service."""

    def __init__(self, config: LineFormatConfig, hostname: str, formatted: Formatted | None = None) -> None:
        """`formatted`: the results of the user's own formatters."""
        self._config = config
        self._hostname = hostname
        self._levels = formatted.levels if formatted is not None else {}
        self._bindings = formatted.bindings if formatted is not None else None

    def render(self, record: LogRecord) -> str:
        """Return the record's line, without a line break."""
        config = self._config
        number = record.number or int(record.level)
        line: dict[str, Any] = {}
        line.update(self._levels.get(number) or {config.level_key: number})
        match config.timestamp:
            case Timestamp.EPOCH:
                line[config.time_key] = record.time
            case Timestamp.UNIX:
                line[config.time_key] = round(record.time / 1000)
            case Timestamp.ISO:
                line[config.time_key] = iso_time(record.time)
            case Timestamp.NONE:
                pass
        line.update(self._base(record))
        line["name"] = record.name
        if record.worker is not None:
            line["worker"] = record.worker
        line[config.message_key] = record.msg
        line.update(record.extra)
        return escaped(json.dumps(line, default=str, ensure_ascii=False))

    def _base(self, record: LogRecord) -> Mapping[str, Any]:
        if self._bindings is not None:
            given = {PID: record.pid, HOSTNAME: self._hostname}
            return {key: given.get(value, value) if isinstance(value, str) else value for key, value in self._bindings}
        if self._config.base is not None:
            return self._config.base
        return {"pid": record.pid, "hostname": self._hostname}


def iso_time(milliseconds: int) -> str:
    """Return a moment in ISO 8601 in UTC, to the millisecond."""
    moment = min(max(milliseconds, 0), LATEST)
    whole = datetime.fromtimestamp(moment // 1000, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{moment % 1000:03d}Z"


def level_labels(custom: Mapping[str, int]) -> dict[int, str]:
    """Return the name of each level by its number."""
    names = {int(level): level.name.lower() for level in LogLevel if level is not LogLevel.SILENT}
    return {**names, **{number: name for name, number in custom.items()}}
