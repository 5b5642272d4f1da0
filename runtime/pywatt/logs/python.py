"""The standard library's logging inside a worker: one JSON object per record on standard output."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Mapping

from pywatt.config.model import LogLevel
from pywatt.telemetry.trace_context import current_trace

_FROM_PYTHON = (
    (logging.CRITICAL, LogLevel.FATAL),
    (logging.ERROR, LogLevel.ERROR),
    (logging.WARNING, LogLevel.WARN),
    (logging.INFO, LogLevel.INFO),
    (logging.DEBUG, LogLevel.DEBUG),
)
CHATTERERS = frozenset({"aiokafka", "asyncio", "hypercorn", "uvicorn"})
TRACE_LEVEL = 5
"""Number of the `trace` level in Python's scale, which has none of its own."""


def level_of(python_level: int) -> LogLevel:
    """Return the pino level of a level of Python's logging."""
    for limit, level in _FROM_PYTHON:
        if python_level >= limit:
            return level
    return LogLevel.TRACE


def python_level(level: LogLevel) -> int:
    """Return the level of Python's logging from which on records are shown."""
    if level is LogLevel.SILENT:
        return logging.CRITICAL + 1
    return next((number for number, pino in _FROM_PYTHON if pino is level), TRACE_LEVEL)


def python_number(number: int) -> int:
    """Return the number in Python's scale for that of a custom level in pino's: 35, above `info`, becomes 25."""
    return max(number - 10, TRACE_LEVEL)


class JsonFormatter(logging.Formatter):
    """Renders a record as pino would; pid, hostname, service and worker are added by the supervisor."""

    custom: Mapping[int, int] = {}
    """The numbers of custom levels in pino's scale, by those in Python's. A process has one configuration."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "level": self.custom.get(record.levelno) or int(level_of(record.levelno)),
            "time": int(record.created * 1000),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        trace = current_trace()
        if trace is not None:
            line["trace_id"], line["span_id"] = trace.trace_id, trace.span_id
        if record.exc_info and record.exc_info[0] is not None:
            line["err"] = {
                "type": record.exc_info[0].__name__,
                "message": text_of(record.exc_info[1]),
                "stack": "".join(traceback.format_exception(*record.exc_info)),
            }
        return json.dumps(line, default=str, ensure_ascii=False)


def text_of(error: BaseException | None) -> str:
    """Return the text of an exception, or that it has none."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001 - an exception of the application's, whose text raises in turn
        return f"<its text cannot be had: {type(failure).__name__}>"


def configure_logging(level: LogLevel, custom: Mapping[str, int] | None = None) -> None:
    """Send every record of this process to standard output as JSON lines. `custom`: further levels in pino's scale."""
    for name, number in (custom or {}).items():
        logging.addLevelName(python_number(number), name.upper())
    JsonFormatter.custom = {python_number(number): number for number in (custom or {}).values()}
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.addLevelName(TRACE_LEVEL, "TRACE")
    logging.basicConfig(handlers=[handler], level=python_level(level), force=True)
    logging.captureWarnings(True)
    if level > LogLevel.TRACE:
        handler.addFilter(_is_no_chatter)


def _is_no_chatter(record: logging.LogRecord) -> bool:
    """Hold back the chatter of libraries. A filter, not a level: the application's own levels still decide."""
    return record.levelno >= logging.WARNING or record.name.partition(".")[0] not in CHATTERERS
