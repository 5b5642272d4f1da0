"""Reads the output of one worker as log records; keeps the last lines for the error if it fails."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial

import anyio

from pywatt.config.model import LogLevel
from pywatt.logs.backpressure import OutputBackpressure
from pywatt.logs.lines import (
    Line,
    LineSplitter,
    LogRecord,
    OutputStream,
    Source,
    TextLevels,
    parse_line,
    read_record,
)
from pywatt.logs.stack_traces import TraceJoiner

TAIL_LINES = 50
TAIL_WIDTH = 2000
"""Characters of a line that are kept for the error."""
DRAIN_SECONDS = 0.2
"""Seconds after its end to wait for the rest of its output, which a grandchild may keep open."""
JOIN_SECONDS = 0.05
"""Seconds for which a line of text is held back, because the next may belong to the same stack trace."""
LONGEST_JOIN_SECONDS = 1.0
"""Seconds after which a text that grows and grows is let go."""

Log = Callable[[LogRecord], None]
PrintRaw = Callable[[OutputStream, bytes], None]


def now_ms() -> int:
    """Return the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class _Pipe(asyncio.Protocol):
    def __init__(
        self, output: WorkerOutput, stream: OutputStream, default: LogLevel, print_raw: PrintRaw | None = None
    ) -> None:
        self._output = output
        self._stream = stream
        self._levels = TextLevels(default)
        self._lines = LineSplitter()
        self._traces = TraceJoiner(strict=stream is OutputStream.STDOUT)
        self._timer: asyncio.TimerHandle | None = None
        self._held_since = 0.0
        self.ended = asyncio.Event()
        if print_raw is not None:
            self._take = partial(self._pass_on, print_raw)  # type: ignore[method-assign]

    def data_received(self, data: bytes) -> None:
        self._take(self._lines.feed(data))
        if self._timer is not None or self._traces.pending:
            self._hold_back()

    def connection_lost(self, exc: Exception | None) -> None:
        self._take(self._lines.rest())
        self._let_go()
        self.ended.set()

    def _take(self, lines: list[Line]) -> None:
        traces = self._traces
        for line in lines:
            if line.continues:
                self._let_go()
                self._output.take(line.text, self._levels, continues=True)
            elif line.text[:1] == b"{" and not traces.pending:  # a record is whole
                self._output.take(line.text, self._levels)
            else:
                for text in traces.feed((line.text,)):
                    self._output.take(text, self._levels)

    def _pass_on(self, print_raw: PrintRaw, lines: list[Line]) -> None:
        """Take records, and pass everything else on as it is."""
        for line in lines:
            if not self._output.take_record(line.text):
                print_raw(self._stream, line.text)

    def _hold_back(self) -> None:
        """Wait for further lines of the open text, if there is one."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._held_since = loop.time()
        else:
            self._timer.cancel()
            self._timer = None
        if not self._traces.pending:
            return
        if loop.time() - self._held_since > LONGEST_JOIN_SECONDS:
            self._let_go()
        else:
            self._timer = loop.call_later(JOIN_SECONDS, self._let_go)

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for text in self._traces.rest():
            self._output.take(text, self._levels)


@dataclass(kw_only=True, eq=False)
class WorkerOutput:
    """The two pipes of one worker."""

    name: str
    slot: int
    log: Log
    pid: int = 0
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    writers: tuple[int, ...] = ()
    """Descriptors for the worker's stdout and stderr; the supervisor closes its copies after the fork."""
    pipes: list[_Pipe] = field(default_factory=list)
    listeners: set[Callable[[LogRecord], None]] = field(default_factory=set)
    """Called with each record as well."""

    def take(self, line: bytes, levels: TextLevels, *, continues: bool = False) -> None:
        """Log one line; `continues`: it is a further part of the one before."""
        source = Source(name=self.name, pid=self.pid, worker=self.slot)
        self._log(parse_line(line, levels, source, now_ms, continues=continues))

    def take_record(self, line: bytes) -> bool:
        """Log a line if it is a record in pino's form; keep any other for the error alone. Return which it is."""
        record = read_record(line, Source(name=self.name, pid=self.pid, worker=self.slot))
        if record is None:
            self._keep(line.decode("utf-8", "backslashreplace"))
            return False
        self._log(record)
        return True

    def _log(self, record: LogRecord) -> None:
        if record.msg:
            self._keep(record.msg)
            error = record.extra.get("err")
            if isinstance(error, dict):
                self._keep(str(error.get("stack", "")))
        self.log(record)
        for listener in tuple(self.listeners):
            listener(record)

    def _keep(self, text: str) -> None:
        self.tail.extend(line[:TAIL_WIDTH] for line in text.splitlines()[-TAIL_LINES:])

    async def drained(self) -> None:
        """Wait until the ended worker's output is read, up to DRAIN_SECONDS."""
        with anyio.move_on_after(DRAIN_SECONDS, shield=True):
            for pipe in self.pipes:
                await pipe.ended.wait()

    def close(self) -> None:
        """Close the supervisor's copies of the worker's ends, so that their end is seen."""
        for descriptor in self.writers:
            os.close(descriptor)
        self.writers = ()


def _same(pipe: _Pipe) -> _Pipe:
    return pipe


@asynccontextmanager
async def open_output_pipes(
    name: str,
    slot: int,
    log: Log,
    backpressure: OutputBackpressure,
    *,
    stderr_level: LogLevel = LogLevel.ERROR,
    print_raw: PrintRaw | None = None,
) -> AsyncIterator[WorkerOutput]:
    """Make the pipes for one worker and read them, as `backpressure` allows, until it has ended.

    `stderr_level`: of text on standard error that names no level. `print_raw` takes text instead of the log.
    """
    loop = asyncio.get_running_loop()
    output = WorkerOutput(name=name, slot=slot, log=log)
    transports: list[asyncio.ReadTransport] = []
    try:
        for stream, level in ((OutputStream.STDOUT, LogLevel.INFO), (OutputStream.STDERR, stderr_level)):
            reader, writer = os.pipe()
            output.writers += (writer,)
            pipe = _Pipe(output, stream, level, print_raw)
            # os.fdopen only wraps the descriptor; the transport closes it.
            transport, _ = await loop.connect_read_pipe(partial(_same, pipe), os.fdopen(reader, "rb", 0))
            transports.append(transport)
            backpressure.join(transport)
            output.pipes.append(pipe)
        yield output
    finally:
        output.close()
        for transport in transports:
            backpressure.leave(transport)
        await output.drained()
        for transport in transports:
            transport.close()
