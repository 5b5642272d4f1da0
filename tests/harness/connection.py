"""One connection of a worker without a network, and applications to serve on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from pywatt.http.server.discard import Discard
from pywatt.http.server.open_connections import OpenConnections
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.fast_path.request import PlainReader
from pywatt.worker.asgi.http_connection import HttpConnection, HttpListener
from pywatt.worker.asgi.lifespan import Application, Receive, Scope, Send
from pywatt.worker.asgi.uvicorn_engine import _config

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
BODY = {"type": "http.response.body", "body": b"ok"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class MemoryTransport(asyncio.Transport):
    """Records the calls on it."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False
        self.paused = False
        self._protocol = asyncio.BaseProtocol()

    @property
    def ended(self) -> bool:
        """True if further incoming bytes are discarded."""
        return isinstance(self._protocol, Discard)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def receive(self, data: bytes) -> None:
        """Pass received bytes to the protocol."""
        if isinstance(self._protocol, asyncio.Protocol):
            self._protocol.data_received(data)
        elif isinstance(self._protocol, asyncio.BufferedProtocol):
            self._protocol.buffer_updated(len(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"not bytes: {data!r}")
        if not self.closed:
            self.writes.append(bytes(data))

    def lose(self) -> None:
        """Report the lost connection to the protocol, and release it."""
        protocol, self._protocol = self._protocol, asyncio.BaseProtocol()
        protocol.connection_lost(None)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return False

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused = not self.ended

    def resume_reading(self) -> None:
        self.paused = False


class Connection:
    """A protocol on a transport in memory."""

    def __init__(
        self,
        app: Application,
        *,
        loop: Any = None,
        reader: PlainReader | None = None,
        protocol_class: type[HttpConnection] = HttpConnection,
        connections: OpenConnections[Any] | None = None,
    ) -> None:
        self.state = HttpListener(OpenConnections() if connections is None else connections, set())
        if reader is not None:
            self.state.plain_reader = reader
        self.streams = Streams(app)
        self.transport = MemoryTransport()
        self.protocol = protocol_class(
            config=_config(self.streams), server_state=self.state, app_state={"from": "lifespan"}, _loop=loop
        )
        self.transport.set_protocol(self.protocol)
        self.protocol.connection_made(self.transport)
        self.receive = self.transport.receive


class Manual:
    """Answers in steps that the test triggers."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[Any] | None] = []
        self._steps: asyncio.Queue[Callable[[], Any] | None] = asyncio.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.tasks.append(asyncio.current_task())
        self.receive, self.send = receive, send
        while (step := await self._steps.get()) is not None:
            await step()

    async def take(self, step: Callable[[], Any]) -> Any:
        result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def taken() -> None:
            result.set_result(await step())

        self._steps.put_nowait(taken)
        return await result

    async def answer(self) -> None:
        await self.take(lambda: self.send(START))
        await self.take(lambda: self.send(BODY))

    def end(self) -> None:
        self._steps.put_nowait(None)


@asynccontextmanager
async def manual_app() -> AsyncIterator[Manual]:
    app = Manual()
    yield app
    for task in app.tasks:
        assert task is not None
        task.cancel()
    await settle(3)


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(BODY)


async def settle(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def start_later(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    """Create a task without starting it at once, for use as a task factory."""
    return asyncio.Task(coroutine, loop=loop, **options)
