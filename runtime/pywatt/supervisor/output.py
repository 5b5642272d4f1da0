"""Reads what one worker prints and hands it on as log records; keeps the last lines for the error if it fails."""

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

from pywatt.logs.flow import Flow
from pywatt.logs.lines import LineSplitter, LogRecord, Source, Stream, parse_line
from pywatt.logs.traces import TraceJoiner

TAIL_LINES = 50
DRAIN_SECONDS = 0.2
"""How long after its end to wait for the rest of its output, which a grandchild may keep open."""
JOIN_SECONDS = 0.05
"""How long a line of standard error is held back, because the next one may belong to the same stack trace."""

Log = Callable[[LogRecord], None]


def now_ms() -> int:
    """Return the milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class _Pipe(asyncio.Protocol):
    def __init__(self, output: WorkerOutput, stream: Stream) -> None:
        self._output = output
        self._stream = stream
        self._lines = LineSplitter()
        self._traces = TraceJoiner() if stream is Stream.STDERR else None
        self._timer: asyncio.TimerHandle | None = None
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        lines = self._lines.feed(data)
        if self._traces is not None:
            lines = self._traces.feed(lines)
            self._hold_back(self._traces)
        for line in lines:
            self._output.take(line, self._stream)

    def connection_lost(self, exc: Exception | None) -> None:
        lines = self._lines.rest()
        if self._traces is not None:
            lines = [*self._traces.feed(lines), *self._traces.rest()]
        for line in lines:
            self._output.take(line, self._stream)
        self.ended.set()

    def _hold_back(self, traces: TraceJoiner) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if traces.pending:
            self._timer = asyncio.get_running_loop().call_later(JOIN_SECONDS, self._let_go, traces)

    def _let_go(self, traces: TraceJoiner) -> None:
        for line in traces.rest():
            self._output.take(line, self._stream)


@dataclass(kw_only=True, eq=False)
class WorkerOutput:
    """The two pipes of one worker."""

    name: str
    slot: int
    log: Log
    pid: int = 0
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    writers: tuple[int, int] = (-1, -1)
    """Descriptors for the worker's stdout and stderr; the supervisor closes its copies after the fork."""
    pipes: list[_Pipe] = field(default_factory=list)
    listeners: set[Callable[[LogRecord], None]] = field(default_factory=set)
    """Called with each record as well."""

    def take(self, line: bytes, stream: Stream) -> None:
        """Log one line."""
        record = parse_line(line, stream, Source(name=self.name, pid=self.pid, worker=self.slot), now_ms)
        if record.msg:
            self.tail.extend(record.msg.splitlines())
            error = record.extra.get("err")
            if isinstance(error, dict):
                self.tail.extend(str(error.get("stack", "")).splitlines())
        self.log(record)
        for listener in tuple(self.listeners):
            listener(record)

    async def drained(self) -> None:
        """Wait until the ended worker's output is read, up to DRAIN_SECONDS."""
        with anyio.move_on_after(DRAIN_SECONDS, shield=True):
            for pipe in self.pipes:
                await pipe.ended.wait()

    def close_writers(self) -> None:
        """Close the supervisor's copies of the worker's ends, so that their end is seen."""
        for descriptor in self.writers:
            os.close(descriptor)
        self.writers = (-1, -1)


def _same(pipe: _Pipe) -> _Pipe:
    return pipe


@asynccontextmanager
async def open_output_pipes(name: str, slot: int, log: Log, flow: Flow) -> AsyncIterator[WorkerOutput]:
    """Make the pipes for one worker and read them, as `flow` allows, until it has ended."""
    loop = asyncio.get_running_loop()
    output = WorkerOutput(name=name, slot=slot, log=log)
    transports: list[asyncio.ReadTransport] = []
    writers: list[int] = []
    try:
        for stream in (Stream.STDOUT, Stream.STDERR):
            reader, writer = os.pipe()
            writers.append(writer)
            pipe = _Pipe(output, stream)
            # os.fdopen only wraps the descriptor; the transport closes it.
            transport, _ = await loop.connect_read_pipe(partial(_same, pipe), os.fdopen(reader, "rb", 0))
            transports.append(transport)
            flow.join(transport)
            output.pipes.append(pipe)
        output.writers = (writers[0], writers[1])
        yield output
    finally:
        for transport in transports:
            flow.leave(transport)
        await output.drained()
        for transport in transports:
            transport.close()
