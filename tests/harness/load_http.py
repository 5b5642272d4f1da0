"""A plain HTTP/1.1 client for load: it repeats nothing and hides nothing, so every lost request is seen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

EVENT_LIMIT = 64 * 1024
"""Bytes of one chunk or head."""


class LostError(Exception):
    """A request failed; the message says how, in few words, so that equal failures can be counted together."""


@dataclass(frozen=True)
class Head:
    """The head of an answer."""

    status: int
    headers: dict[str, str]

    @property
    def closes(self) -> bool:
        """True if the server announced that it closes the connection."""
        return self.headers.get("connection", "").lower() == "close"


class Client:
    """Uses one keep-alive connection at a time, and opens a new one after the server has announced its close.

    A connection that the server closes without having said so is a failure, even when nothing was on its way.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = host, port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._head: Head | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def request(self, method: str, path: str, pieces: Sequence[bytes] = (), *, chunked: bool = False) -> bytes:
        """Send a request and return the body of a 2xx answer. Raises LostError."""
        await self.begin(method, path, pieces, chunked=chunked)
        body = b"".join([piece async for piece in self.body()])
        if self._head is not None and not 200 <= self._head.status < 300:
            raise LostError(f"status {self._head.status}: {body[:200].decode(errors='replace')}")
        return body

    async def begin(self, method: str, path: str, pieces: Sequence[bytes] = (), *, chunked: bool = False) -> Head:
        """Send a request and return the head of its answer; `body` has to be read next. Raises LostError."""
        fresh = self._streams is None
        reader, writer = self._streams = self._streams or await self._open()
        self._head = None
        if not fresh and (reader.at_eof() or writer.is_closing()):
            raise self._lost("closed while it was idle")
        framing = "transfer-encoding: chunked\r\n" if chunked else f"content-length: {sum(map(len, pieces))}\r\n"
        head = f"{method} {path} HTTP/1.1\r\nhost: {self._address[0]}:{self._address[1]}\r\n"
        try:
            writer.write((head + (framing if pieces else "") + "\r\n").encode())
            for piece in filter(None, pieces):  # an empty chunk would be the last one
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await writer.drain()
            if chunked:
                writer.write(b"0\r\n\r\n")
            self._head = await self._read_head(reader)
        except asyncio.IncompleteReadError as error:
            how = "in the head of the answer" if error.partial else "before the answer"
            raise self._lost(f"closed {how} ({'first' if fresh else 'later'} request of the connection)") from error
        except OSError as error:
            raise self._lost(f"{type(error).__name__} before the answer") from error
        return self._head

    async def body(self) -> AsyncGenerator[bytes]:
        """Yield the body of the answer piece by piece. Raises LostError when it is cut off."""
        assert self._streams is not None
        assert self._head is not None
        reader, _ = self._streams
        headers = self._head.headers
        try:
            if headers.get("transfer-encoding") == "chunked":
                while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                    yield (await reader.readexactly(size + 2))[:-2]
                await reader.readexactly(2)
            else:
                yield await reader.readexactly(int(headers.get("content-length", "0")))
        except (asyncio.IncompleteReadError, OSError) as error:
            raise self._lost("closed in the body of the answer") from error
        if self._head.closes:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_connection(*self._address, limit=EVENT_LIMIT)
        except OSError as error:
            raise LostError(f"cannot connect: {type(error).__name__}") from error

    async def _read_head(self, reader: asyncio.StreamReader) -> Head:
        raw = await reader.readuntil(b"\r\n\r\n")
        first, *lines = raw.decode("latin-1").split("\r\n")[:-2]
        fields = (line.partition(":") for line in lines)
        return Head(int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields})

    def _lost(self, why: str) -> LostError:
        self.close()
        return LostError(why)
