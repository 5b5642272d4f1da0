"""Discards the bytes that a client still sends after the last response (lingering close, RFC 9112 section 9.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pywatt.http.server.fair_queue import CallLater

_BUFFER = bytearray(64 * 1024)
"""The buffer that all such connections receive into; it is never read."""
PAUSE = 0.005
"""Seconds after each receiving, so 12 MB/s: a client that sends for ever costs little, an upload gets its response.

A client that was silent for as long is told that nothing follows. One that goes on sending is told at the end of the
limit on time: many would only connect again.
"""


class Discard(asyncio.BufferedProtocol):
    """Takes the place of a connection's protocol, which is told only of the connection's end."""

    def __init__(
        self, transport: asyncio.Transport, *, call_later: CallLater, ended: Callable[[], None] | None = None
    ) -> None:
        """Take the place of the transport's protocol.

        `call_later`: has something called after seconds. `ended`: called once the client has closed its side, or the
        connection is lost.
        """
        self._transport = transport
        self._protocol = transport.get_protocol()
        self._call_later = call_later
        self._ended = ended
        self._sends = False
        """True when bytes have come since the last look."""
        self._looks = True
        """True while a look is due; a silent client causes none."""
        transport.set_protocol(self)
        transport.resume_reading()
        call_later(PAUSE, self._look)

    def get_buffer(self, sizehint: int) -> bytearray:
        return _BUFFER

    def buffer_updated(self, nbytes: int) -> None:
        """Receive more later."""
        self._sends = True
        self._transport.pause_reading()
        if not self._looks:
            self._looks = True
            self._call_later(PAUSE, self._look)

    def eof_received(self) -> bool:
        self._end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
        self._end()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _look(self) -> None:
        self._looks = self._sends and not self._transport.is_closing()
        if self._looks:
            self._sends = False
            self._transport.resume_reading()
            self._call_later(PAUSE, self._look)
        elif not self._transport.is_closing():
            if self._transport.can_write_eof():
                self._transport.write_eof()
            else:  # TLS, which discards what comes after its own end
                self._transport.close()

    def _end(self) -> None:
        if self._ended is not None:
            self._ended()
