"""HTTP servers on loopback TCP that a test scripts request by request, in the place of remote upstreams."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(eq=False)
class OriginRequest:
    """A request, and the connection to answer it on."""

    head: bytes
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    def header(self, name: bytes) -> bytes | None:
        for line in self.head.split(b"\r\n")[1:]:
            each, _, value = line.partition(b":")
            if each.lower() == name:
                return value.strip()
        return None

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int = 200, body: bytes = b"", *lines: bytes) -> None:
        head = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n" % (status, len(body))
        await self.send(head + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body)


@contextmanager
def closing_abruptly(writer: asyncio.StreamWriter) -> Iterator[None]:
    try:
        yield
    finally:
        writer.transport.abort()


Answer = Callable[[OriginRequest], Awaitable[None]]


@dataclass(eq=False)
class Origin:
    """A server. `respond` answers each request; it may be replaced while the server runs."""

    respond: Answer
    port: int = 0
    tls: bool = False
    requests: list[OriginRequest] = field(default_factory=list)
    came: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    async def seen(self, count: int) -> list[OriginRequest]:
        """Wait until so many requests have come."""
        async with asyncio.timeout(20), self.came:
            await self.came.wait_for(lambda: len(self.requests) >= count)
        return self.requests

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError), closing_abruptly(writer):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = OriginRequest(head, b"", writer)
                if request.header(b"transfer-encoding") is not None:
                    while size := int(await reader.readline(), 16):
                        request.body += (await reader.readexactly(size + 2))[:-2]
                    await reader.readline()
                else:
                    request.body = await reader.readexactly(int(request.header(b"content-length") or 0))
                async with self.came:
                    self.requests.append(request)
                    self.came.notify_all()
                await self.respond(request)


async def ok(request: OriginRequest) -> None:
    """Answer 200 with the request line."""
    await request.answer(200, request.line.encode())


def status(number: int) -> Answer:
    """Return what answers with a status."""

    async def respond(request: OriginRequest) -> None:
        await request.answer(number, b"%d" % number)

    return respond


async def nothing(request: OriginRequest) -> None:
    """Never answer; the connection stays open."""


async def hang_up(request: OriginRequest) -> None:
    """Close without an answer."""
    request.writer.transport.abort()


@asynccontextmanager
async def origin(
    respond: Answer = ok, *, tls: ssl.SSLContext | None = None, path: Path | None = None
) -> AsyncIterator[Origin]:
    """Run a server until the block exits; `path`: on a unix socket, in the place of a worker."""
    found = Origin(respond, tls=tls is not None)
    connections: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await found.serve(reader, writer)
        finally:
            connections.discard(task)

    if path is None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        found.port = server.sockets[0].getsockname()[1]
    else:
        server = await asyncio.start_unix_server(serve, path)
    try:
        yield found
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
