"""The body of a request: received in the event loop, read by the application in its thread."""

from __future__ import annotations

import asyncio
import io
import tempfile
import threading
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from pywatt.worker.asgi.lifespan import Receive

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

HIGH_WATER = 64 * 1024
"""Bytes that wait to be read above which nothing more is received."""
SPOOLED_IN_MEMORY = 1024 * 1024
"""Bytes of a body of unknown length above which it is kept in a temporary file."""
SPOOLED_PIECE = 64 * 1024
"""Bytes that are written at once into that file, by a thread: a body may come in many tiny pieces."""
SPOOLED_SIZE = 1024 * 1024 * 1024
"""Bytes of a body of unknown length above which it is refused."""


class ClientLeft(ConnectionResetError):
    """The client is gone."""

    def __init__(self) -> None:
        super().__init__("the client has closed the connection")


class BodyTooLarge(Exception):
    """A body of unknown length is larger than can be kept."""


class RequestBody(io.RawIOBase):
    """A file that is filled in the event loop and read in a thread.

    Also tells that the client is gone, which is received in the same way.
    """

    def __init__(self, receive: Receive, *, wait_until_wanted: bool) -> None:
        """`wait_until_wanted`: the client sends nothing before it is asked to (`Expect: 100-continue`)."""
        super().__init__()
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self.left: asyncio.Future[None] = self._loop.create_future()
        """Done as soon as the client is gone."""
        self.has_left = False
        self._pieces: deque[memoryview] = deque()
        self._size = 0
        self._complete = False
        self._changed = threading.Condition()
        self._room = asyncio.Event()
        if not wait_until_wanted:
            self._room.set()

    # In the event loop.

    async def pump(self) -> None:
        """Receive the body as fast as it is read, then wait until the client leaves."""
        try:
            while True:
                await self._room.wait()
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    return
                self._add(message.get("body", b""), complete=not message.get("more_body", False))
        finally:
            self.give_up()

    async def spool(self) -> tempfile.SpooledTemporaryFile[bytes]:
        """Receive the whole body into a file. Raises BodyTooLarge, ClientLeft."""
        file = tempfile.SpooledTemporaryFile[bytes](SPOOLED_IN_MEMORY)
        size, more = 0, True
        unwritten = bytearray()
        try:
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    raise ClientLeft
                data, more = message.get("body", b""), message.get("more_body", False)
                size += len(data)
                if size > SPOOLED_SIZE:
                    raise BodyTooLarge
                unwritten += data
                if more and len(unwritten) < SPOOLED_PIECE:
                    continue
                if size > SPOOLED_IN_MEMORY:
                    await asyncio.to_thread(file.write, unwritten)
                else:
                    file.write(unwritten)
                unwritten = bytearray()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        self._add(b"", complete=True)
        return file

    def give_up(self) -> None:
        """Tell the application's thread that the client is gone."""
        with self._changed:
            self.has_left = True
            self._changed.notify_all()
        if not self.left.done():
            self.left.set_result(None)

    def want(self) -> None:
        """Receive, though nothing was read yet."""
        if self._size <= HIGH_WATER:
            self._room.set()

    def _add(self, data: bytes, *, complete: bool) -> None:
        with self._changed:
            if data:
                self._pieces.append(memoryview(data))
                self._size += len(data)
            self._complete = self._complete or complete
            self._changed.notify_all()
            if self._size > HIGH_WATER and not self._complete:
                self._room.clear()

    # In the application's thread.

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Wait for data and fill the buffer. Raises ClientLeft."""
        target = memoryview(buffer).cast("B")
        with self._changed:
            if not self._pieces and not self._complete:
                self._ask()
            while not self._pieces and not self._complete:
                if self.has_left:
                    raise ClientLeft
                self._changed.wait()
            filled = 0
            while self._pieces and filled < len(target):
                piece = self._pieces[0]
                count = min(len(piece), len(target) - filled)
                target[filled : filled + count] = piece[:count]
                filled += count
                if count == len(piece):
                    self._pieces.popleft()
                else:
                    self._pieces[0] = piece[count:]
            was_full = self._size > HIGH_WATER
            self._size -= filled
            if was_full and self._size <= HIGH_WATER:
                self._ask()
        return filled

    def _ask(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: the process ends
            self._loop.call_soon_threadsafe(self._room.set)
