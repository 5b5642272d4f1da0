"""One end of a channel on an asyncio loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from pywatt.channel.frames import FrameReader, frame
from pywatt.channel.messages import Message, decode, encode


class Channel(asyncio.Protocol):
    """Sends messages at once and hands each received one to a callback, in order."""

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_closed: Callable[[], None],
        on_nonsense: Callable[[ValueError], None] | None,
    ) -> None:
        self._on_message = on_message
        self._on_closed = on_closed
        self._on_nonsense = on_nonsense
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def send(self, message: Message) -> int:
        """Queue the message and return its size in bytes; a message to a closed peer is dropped."""
        if self._transport is None or self._transport.is_closing():
            return 0
        data = frame(encode(message))
        self._transport.write(data)
        return len(data)

    def close(self) -> None:
        """Close this end; the peer sees the channel closed."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are none by class

    def data_received(self, data: bytes) -> None:
        try:
            for payload in self._frames.feed(data):
                self._on_message(decode(payload))
        except ValueError as error:
            if self._on_nonsense is None:
                raise
            self.close()  # where the next frame begins is not known any more
            self._on_nonsense(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_closed()


@asynccontextmanager
async def open_channel(
    sock: socket.socket,
    on_message: Callable[[Message], None],
    on_closed: Callable[[], None],
    on_nonsense: Callable[[ValueError], None] | None = None,
) -> AsyncIterator[Channel]:
    """Run one end of a channel on `sock`, which is closed with it.

    `on_nonsense` gets the first thing that is no message, also what `on_message` refuses with a ValueError; nothing is
    read after that. None: such a thing is an error of this process.
    """
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    try:
        _, channel = await loop.create_connection(lambda: Channel(on_message, on_closed, on_nonsense), sock=sock)
    except BaseException:
        sock.close()
        raise
    try:
        yield channel
    finally:
        channel.close()
