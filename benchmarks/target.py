"""Takes webhooks in a process of its own, each after some work, and notes when it came and when it was answered.

Plain asyncio protocols, for it must cost far less than what is measured, and its work is a timer of asyncio's.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import re
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import NamedTuple

from benchmarks.apps import App, AppError

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
PATH = re.compile(rb"^\S+ /(\w+)(?:/([\d.]+)/([\d.]+))? ")
POISON = b"\r\nx-plt-kafka-hooks-key: key-0\r\n"
TAKEN = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"
POLL = 0.05  # seconds between two looks at the count
QUIET = 20.0  # seconds without a webhook after which waiting is of no use
GRACE = 5.0  # seconds for a stop


class Taken(NamedTuple):
    """One webhook that was answered with 200. Times are those of `time.monotonic`, the same for all processes."""

    begun: float
    ended: float
    body: bytes


class Target:
    """The target, seen from the benchmark."""

    def __init__(self, port: int, pipe: Connection) -> None:
        self.port = port
        self._pipe = pipe

    def url(self, least: float = 0.0, most: float = 0.0) -> str:
        """Return the URL at which each webhook takes a time between these milliseconds."""
        return f"http://127.0.0.1:{self.port}/work/{least:g}/{most:g}"

    @property
    def hanging(self) -> str:
        """URL that never responds."""
        return f"http://127.0.0.1:{self.port}/hang"

    @property
    def poisoned(self) -> str:
        """URL at which records with the key `key-0` are answered with 500, all others with 200."""
        return f"http://127.0.0.1:{self.port}/poison"

    def count(self) -> int:
        """Return how many webhooks were taken since the last `take`."""
        self._pipe.send("count")
        counted: int = self._pipe.recv()
        return counted

    def wait_for(self, records: int, app: App) -> None:
        """Wait until that many webhooks were taken. Raises AppError when they do not come."""
        seen, moved = 0, time.monotonic()
        while seen < records:
            app.check()
            time.sleep(POLL)
            count = self.count()
            now = time.monotonic()
            if count > seen:
                seen, moved = count, now
            elif now - moved > QUIET:
                raise AppError(f"{seen} of {records} webhooks came, then none for {QUIET:g} s\n" + "".join(app.output))

    def take(self) -> list[Taken]:
        """Return what came since the last call, in the order of the answers."""
        self._pipe.send("take")
        return [Taken(*each) for each in self._pipe.recv()]


@contextmanager
def taking() -> Iterator[Target]:
    """Run a target on a free loopback port."""
    spawn = multiprocessing.get_context("spawn")
    ours, its = spawn.Pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        process = spawn.Process(target=_run, args=(listener, its), daemon=True)
        process.start()
        its.close()
        try:
            yield Target(listener.getsockname()[1], ours)
        finally:
            ours.close()
            process.join(GRACE)


def _run(listener: socket.socket, pipe: Connection) -> None:
    # epoll's timeouts are whole milliseconds, rounded up: 10 ms of work would be 10.8 on average.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(_serve(listener, pipe))


async def _serve(listener: socket.socket, pipe: Connection) -> None:
    loop = asyncio.get_running_loop()
    taken: list[tuple[float, float, bytes]] = []
    stop = asyncio.Event()

    def tell() -> None:
        try:
            asked = pipe.recv()
        except EOFError:
            loop.remove_reader(pipe.fileno())
            stop.set()
            return
        if asked == "count":
            pipe.send(len(taken))
        else:
            pipe.send(taken)
            taken.clear()

    loop.add_reader(pipe.fileno(), tell)
    await loop.create_server(lambda: _Connection(loop, taken), sock=listener)
    await stop.wait()


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop, taken: list[tuple[float, float, bytes]]) -> None:
        self._loop = loop
        self._taken = taken
        self._data = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._data += data
        while True:
            head, end, rest = self._data.partition(b"\r\n\r\n")
            found = LENGTH.search(head)
            if not end or found is None or len(rest) < int(found[1]):
                return
            body, self._data = rest[: int(found[1])], rest[int(found[1]) :]
            self._answer(head, body, time.monotonic())

    def _answer(self, head: bytes, body: bytes, begun: float) -> None:
        match = PATH.match(head)
        assert match is not None
        kind, least, most = match.groups()
        if kind == b"hang":
            return
        if kind == b"poison" and POISON in head:
            if self._transport is not None:
                self._transport.write(FAILED)
            return
        if most and float(most):
            work = random.uniform(float(least), float(most)) / 1000
            self._loop.call_later(work, self._end, begun, body)
        else:
            self._end(begun, body)

    def _end(self, begun: float, body: bytes) -> None:
        if self._transport is not None:
            self._taken.append((begun, time.monotonic(), body))
            self._transport.write(TAKEN)
