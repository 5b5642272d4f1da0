"""Opens a transport: a sink, and the thread that passes lines to it, so that nobody waits for it.

Lines that it does not take are counted, and a line tells how many as soon as it takes some again.
"""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pywatt.config.logger_model import TransportConfig
from pywatt.config.model import LogLevel
from pywatt.logs.batch_writer import BatchWriter
from pywatt.logs.lines import LogRecord
from pywatt.logs.ndjson import to_line
from pywatt.logs.output import PrettyLines
from pywatt.logs.transports.built_in import FILE, OPENTELEMETRY, PRETTY, ROLL
from pywatt.logs.transports.process_sink import ProcessSink
from pywatt.logs.transports.rotating_file import RotatingFile

Render = Callable[[LogRecord], str]
Tell = Callable[[str], None]
LINGER_SECONDS = 0.1
"""Seconds for which lines are gathered for a file or a process."""
OTLP = "pywatt.logs.transports.opentelemetry:OpenTelemetryLogs"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTransport:
    """A transport at work."""

    name: str
    config: TransportConfig
    writer: BatchWriter
    level: int
    render: Render | None
    """The form that it asks for; None: that of the service."""
    close: Callable[[float], None]
    """Called with the seconds that it may take, once the writer is closed."""


def open_transport(config: TransportConfig, labels: Mapping[int, str], hostname: str, tell: Tell) -> OpenTransport:
    """Return the transport. `labels`: names of levels. `tell` logs what it meets."""
    options = config.options
    name = config.target
    render: Render | None = None
    close: Callable[[float], None] = _nothing
    linger = LINGER_SECONDS
    if config.target in (FILE, ROLL, PRETTY):
        destination = options.get("file" if config.target == ROLL else "destination", 1)
        if isinstance(destination, int) or str(destination).isdigit():
            write, linger = _descriptor(int(destination)), 0.0
        else:
            path = config.folder / str(destination)
            name = f"{config.target} to {path}"
            file = RotatingFile(
                path, config.rotation, make_folder=options.get("mkdir", True), append=options.get("append", True)
            )
            write = file.write
            close = _closing(file)
        if config.target == PRETTY:
            render = _pretty(options, destination, labels)
    else:
        own = config.target == OPENTELEMETRY
        sink = ProcessSink(OTLP if own else config.target, options, config.folder)
        write, close = sink.write, sink.close
        render = _canonical(hostname) if own else None
    writer = BatchWriter(
        write,
        name=f"log-{config.target}"[:15],
        notice=lambda count, error: _notice(name, count, error, hostname, pretty=config.target == PRETTY),
        failed=lambda error: tell(f"the log transport {name} does not take lines: {error.strerror or error}"),
        linger=linger,
    )
    return OpenTransport(name=name, config=config, writer=writer, level=config.level, render=render, close=close)


def _canonical(hostname: str) -> Render:
    return lambda record: to_line(record, hostname)


def _pretty(options: Mapping[str, Any], destination: object, labels: Mapping[int, str]) -> Render:
    terminal = isinstance(destination, int) and os.isatty(destination)
    colour = bool(options.get("colorize", terminal and "NO_COLOR" not in os.environ))
    return PrettyLines(sys.stdout, colour=colour, dated=not terminal, labels=labels).render


def _descriptor(descriptor: int) -> Callable[[bytes], None]:
    def write(batch: bytes) -> None:
        view = memoryview(batch)
        while view:
            try:
                view = view[os.write(descriptor, view) :]
            except BlockingIOError:
                select.select([], [descriptor], [])

    return write


def _closing(file: RotatingFile) -> Callable[[float], None]:
    def close(_patience: float) -> None:
        file.close()

    return close


def _nothing(_patience: float) -> None:
    """Leave a descriptor open: it is not ours."""


def _notice(name: str, count: int, error: OSError | None, hostname: str, *, pretty: bool) -> bytes:
    why = "it did not take them" if error is None else error.strerror or str(error)
    message = f"{count} lines were not passed to the transport {name}: {why}"
    now = time.time_ns() // 1_000_000
    if pretty:
        return f"{message}\n".encode()
    record = LogRecord(level=LogLevel.WARN, time=now, name="pywatt", msg=message, pid=os.getpid())
    return (to_line(record, hostname) + "\n").encode("utf-8", "backslashreplace")
