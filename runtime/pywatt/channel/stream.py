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

    def __init__(self, on_message: Callable[[Message], None], on_closed: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_closed = on_closed
        self._frames = FrameReader()
        self._transport: asyncio.Transport | None = None

    def send(self, message: Message) -> None:
        """Queue the message; a message to a peer that is gone is dropped, since its end is reported elsewhere."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(encode(message)))

    def close(self) -> None:
        """Close this end; the peer sees the channel closed."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's transports are none by class

    def data_received(self, data: bytes) -> None:
        for payload in self._frames.feed(data):
            self._on_message(decode(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_closed()


@asynccontextmanager
async def open_channel(
    sock: socket.socket, on_message: Callable[[Message], None], on_closed: Callable[[], None]
) -> AsyncIterator[Channel]:
    """Run one end of a channel on `sock`, which is closed with it."""
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    _, channel = await loop.create_connection(lambda: Channel(on_message, on_closed), sock=sock)
    try:
        yield channel
    finally:
        channel.close()
