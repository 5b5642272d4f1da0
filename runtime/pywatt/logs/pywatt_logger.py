"""A logger for pywatt's own reports in a worker, out of reach of the application's logging configuration.

`dictConfig` disables the loggers that exist, `logging.disable` all of them, and handlers can be removed, closed or
raise. A report is therefore written straight to the pipe that was the worker's standard output when it started.
Handlers of the application's own get it as well, unless they write to that pipe, too.
"""

from __future__ import annotations

import logging
import os
import select
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any

from pywatt.logs.python import CHATTERERS, TRACE_LEVEL, JsonFormatter

_ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


@dataclass(frozen=True, slots=True)
class _Output:
    descriptor: int
    level: int
    """Lowest level of the records that are written."""
    consoles: frozenset[tuple[int, int]]
    """The files that were standard output and standard error, by device and inode."""

    def write(self, data: bytes) -> None:
        for descriptor in (self.descriptor, 2, 1):
            with suppress(OSError):
                _write_all(descriptor, data)
                return


_output: _Output | None = None
"""A process has one standard output."""


def open_pywatt_loggers(level: int, *, stdout: int = 1, stderr: int = 2) -> None:
    """Write records of this level (of Python's logging) or above to the present standard output, even once replaced."""
    global _output  # noqa: PLW0603
    _output = _Output(os.dup(stdout), level, frozenset((_identity(stdout), _identity(stderr))))


@cache
def pywatt_logger(name: str) -> PywattLogger:
    """Return the logger with that name; before `open_pywatt_loggers` it does what `logging.getLogger(name)` does."""
    return PywattLogger(name)


class PywattLogger(logging.Logger):
    """Made by `pywatt_logger`; known to no logging manager, so that no configuration finds it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._chatters = name.partition(".")[0] in CHATTERERS

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's own name
        """Return whether a record of that level is written."""
        if _output is None:
            return logging.getLogger(self.name).isEnabledFor(level)
        if self._chatters and _output.level > TRACE_LEVEL:
            return level >= max(_output.level, logging.WARNING)
        return level >= _output.level

    def makeRecord(  # noqa: N802 - logging's own name and parameters
        self,
        name: str,
        level: int,
        fn: str,
        lno: int,
        msg: object,
        args: Any,
        exc_info: _ExcInfo | None,
        func: str | None = None,
        extra: Mapping[str, object] | None = None,
        sinfo: str | None = None,
    ) -> logging.LogRecord:
        """Make a record without the factory that the application may have set."""
        return logging.LogRecord(name, level, fn, lno, msg, args, exc_info, func, sinfo)

    def handle(self, record: logging.LogRecord) -> None:
        """Write the record and hand it to the application's own handlers."""
        if not self.filter(record):
            return
        if _output is None:
            logging.getLogger(self.name).handle(record)
        else:
            _output.write((JsonFormatter().format(record) + "\n").encode("utf-8", "backslashreplace"))
            self._pass_on(record, _output)

    def _pass_on(self, record: logging.LogRecord, output: _Output) -> None:
        logger: logging.Logger | None = logging.getLogger(self.name)
        if logger is None or not logger.isEnabledFor(record.levelno):
            return
        while logger is not None:
            for handler in tuple(logger.handlers):
                if record.levelno >= handler.level and not _writes_to(handler, output.consoles):
                    with suppress(Exception):
                        handler.handle(record)
            logger = logger.parent if logger.propagate else None


def _writes_to(handler: logging.Handler, files: frozenset[tuple[int, int]]) -> bool:
    stream = getattr(handler, "stream", None)
    try:
        return stream is not None and _identity(stream.fileno()) in files
    except (AttributeError, OSError, TypeError, ValueError):
        return False  # a stream in memory, or a closed one


def _identity(descriptor: int) -> tuple[int, int]:
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # the application made the pipe non-blocking
            select.select([], [descriptor], [])
