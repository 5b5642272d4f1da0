"""A steady load of every kind through a gateway, from a separate thread; counts each failure with its reason.

What counts as a failure: every answer that is no 2xx, or has the wrong body, or does not come whole; every connection
that cannot be made, or that the server closes without having said so. WebSockets and server-sent events come in two
kinds. The short ones last for less than the time that a replaced worker has to end, and must never be cut. The long
ones stay until the server ends them, which has to be proper: a close frame with 1012 (service restart), the regular end
of the stream. Then they come back, and must be let in at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from harness.load_http import Client, LostError

LIMIT = 30.0
"""Seconds after which an answer that has not come is lost."""
PAUSE = 0.02
"""Seconds between two requests of a busy client."""
IDLE_PAUSE = 2.0
"""Seconds between two requests of a client that mostly is idle."""
SLOW = 5
"""Seconds that the service takes for a slow request."""
SHORT_EVENTS = 20
ECHO_PAUSE = 0.1
SERVICE_RESTART = 1012
BODY_SIZES = (0, 10, 1_000, 70_000, 300_000)

MIX = MappingProxyType(
    {
        "get": 3,
        "fresh": 1,
        "idle": 3,
        "post": 1,
        "slow": 3,
        "called": 1,
        "events": 2,
        "stream": 2,
        "echo": 2,
        "socket": 2,
    }
)
"""The number of clients of each kind."""


@dataclass
class Tally:
    """The results of the load."""

    done: Counter[str] = field(default_factory=Counter)
    """Requests, streams and sockets that went well, by kind."""
    failures: Counter[str] = field(default_factory=Counter)
    """Failures by kind and reason."""
    ended: Counter[str] = field(default_factory=Counter)
    """Long streams and sockets that the server ended properly."""
    slowest: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """The slowest response by kind, in seconds."""
    answers: Counter[str] = field(default_factory=Counter)
    """Answers of GET /fast: the version of the service."""
    times: list[str] = field(default_factory=list)
    """The time of each failure, in seconds from the start."""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait_for(self, fact: Callable[[Tally], bool]) -> None:
        """Wait until a condition holds, in another thread than the load's."""
        with self.changed:
            if not self.changed.wait_for(lambda: fact(self), timeout=LIMIT):
                raise AssertionError(f"the load does not get there:\n{self}")

    def wait_for_more(self, requests: int = 60) -> None:
        """Wait until this number of further requests has succeeded."""
        goal = self.done["get"] + requests
        self.wait_for(lambda tally: tally.done["get"] >= goal)

    def __str__(self) -> str:
        seconds = {kind: f"{longest:.2f} s" for kind, longest in self.slowest.items()}
        return (
            f"done {dict(self.done)}\nended by the server {dict(self.ended)}\nlongest {seconds}\n"
            f"failed {self.failures.total()} {dict(self.failures)} {self.times[:50]}"
        )


class Load:
    """Runs until it is stopped, then waits for requests in flight."""

    def __init__(self, url: str, clients: Mapping[str, int], prefix: str) -> None:
        address = urlsplit(url)
        assert address.hostname is not None
        assert address.port is not None
        self.tally = Tally()
        self._host, self._port = address.hostname, address.port
        self._clients = clients
        self._prefix = prefix
        self._stop = asyncio.Event()
        self._begun = time.monotonic()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._kinds: Mapping[str, Callable[[], Awaitable[None]]] = {
            "get": self._get,
            "fresh": self._fresh,
            "idle": self._idle,
            "post": self._post,
            "slow": self._slow,
            "called": self._called,
            "events": self._events,
            "stream": self._stream,
            "echo": self._echo,
            "socket": self._socket,
        }

    def run(self) -> None:
        """Send until stopped, in this thread."""
        asyncio.run(self._run())

    def stop(self) -> None:
        """Send nothing more."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as tasks:
            for kind, count in self._clients.items():
                for _ in range(count):
                    tasks.create_task(self._repeat(self._kinds[kind]))

    async def _repeat(self, client: Callable[[], Awaitable[None]]) -> None:
        while not self._stop.is_set():
            await client()

    # One client's life each: until the first failure, or the end.

    async def _get(self) -> None:
        await self._requests("get", PAUSE, self._fast)

    async def _idle(self) -> None:
        await self._requests("idle", IDLE_PAUSE, self._fast)

    async def _slow(self) -> None:
        await self._requests("slow", PAUSE, lambda http: http.request("GET", f"{self._prefix}/slow?{SLOW}"))

    async def _called(self) -> None:
        await self._requests("called", PAUSE, lambda http: http.request("GET", "/caller/"))

    async def _post(self) -> None:
        rounds = itertools.count()

        async def post(http: Client) -> bytes:
            number = next(rounds)
            size = BODY_SIZES[number % len(BODY_SIZES)]
            body = hashlib.sha256(str(number).encode()).digest() * (size // 32)
            half = len(body) // 2
            echoed = await http.request(
                "POST", f"{self._prefix}/echo", [body[:half], body[half:]], chunked=number % 2 == 1
            )
            if echoed != body:
                raise LostError("the echo is another body")
            return echoed

        await self._requests("post", PAUSE, post)

    async def _fresh(self) -> None:
        async with Client(self._host, self._port) as http:
            await self._count("fresh", self._fast(http))
        await self._pause(PAUSE)

    async def _fast(self, http: Client) -> bytes:
        answer = await http.request("GET", f"{self._prefix}/fast")
        self.tally.answers[answer.decode()] += 1
        return answer

    async def _requests(self, kind: str, pause: float, request: Callable[[Client], Awaitable[bytes]]) -> None:
        async with Client(self._host, self._port) as http:
            while not self._stop.is_set() and await self._count(kind, request(http)):
                await self._pause(pause)

    async def _events(self) -> None:
        async with Client(self._host, self._port) as http:
            while not self._stop.is_set() and await self._count("events", self._read_events(http)):
                pass

    async def _read_events(self, http: Client) -> None:
        count = (await http.request("GET", f"{self._prefix}/events?{SHORT_EVENTS}")).count(b"\n\n")
        if count != SHORT_EVENTS:
            raise LostError(f"{count} of {SHORT_EVENTS} events")

    async def _stream(self) -> None:
        async with Client(self._host, self._port) as http:
            await self._count("stream", self._read_stream(http), long=True)

    async def _read_stream(self, http: Client) -> None:
        async with asyncio.timeout(LIMIT):
            await http.begin("GET", f"{self._prefix}/events")
        pieces = http.body()
        while True:
            async with asyncio.timeout(LIMIT):
                piece = await anext(pieces, None)
            if piece is None:
                self.tally.ended["stream"] += 1
                return
            if self._stop.is_set():
                return

    async def _echo(self) -> None:
        async def converse() -> None:
            async with self._websocket() as socket:
                for number in range(SHORT_EVENTS):
                    await self._echoed(socket, number)

        await self._count("echo", converse())

    async def _socket(self) -> None:
        async def converse() -> None:
            async with self._websocket() as socket:
                for number in itertools.count():
                    try:
                        await self._echoed(socket, number)
                    except ConnectionClosed as error:
                        if error.rcvd is None or error.rcvd.code != SERVICE_RESTART:
                            raise
                        self.tally.ended["socket"] += 1
                        return
                    if self._stop.is_set():
                        return

        await self._count("socket", converse(), long=True)

    def _websocket(self) -> connect:
        return connect(f"ws://{self._host}:{self._port}{self._prefix}/ws", open_timeout=LIMIT, proxy=None)

    async def _echoed(self, socket: ClientConnection, number: int) -> None:
        await socket.send(str(number))
        async with asyncio.timeout(LIMIT):
            if await socket.recv() != str(number):
                raise LostError("the echo is another message")
        await self._pause(ECHO_PAUSE)

    # Counting.

    async def _count(self, kind: str, request: Awaitable[object], *, long: bool = False) -> bool:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(None if long else LIMIT):
                await request
        except (LostError, ConnectionClosed, InvalidHandshake, OSError) as error:  # TimeoutError is an OSError
            reason = str(error) if isinstance(error, LostError) else f"{type(error).__name__}: {error}"
            self.tally.failures[f"{kind}: {reason}"] += 1
            self.tally.times.append(f"{time.monotonic() - self._begun:.2f}")
            await self._pause(PAUSE)
            return False
        with self.tally.changed:
            self.tally.done[kind] += 1
            self.tally.changed.notify_all()
        self.tally.slowest[kind] = max(self.tally.slowest[kind], time.monotonic() - begun)
        return True

    async def _pause(self, seconds: float) -> None:
        """Wait, unless the load is stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        except TimeoutError:
            return


@contextmanager
def load(url: str, clients: Mapping[str, int] = MIX, *, prefix: str = "/api") -> Iterator[Tally]:
    """Put load on an app while the context lasts; after it the tally is complete. `prefix`: of its paths."""
    running = Load(url, clients, prefix)
    thread = threading.Thread(target=running.run, name="load")
    thread.start()
    try:
        yield running.tally
    finally:
        running.stop()
        thread.join()
