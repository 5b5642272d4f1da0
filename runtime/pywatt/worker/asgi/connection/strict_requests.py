"""The requests of a connection for a server that is less strict: checked, written anew, given out one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pywatt.http.application_request_reader import ApplicationRequestReader, sent_target
from pywatt.http.headers import LAST_CHUNK, Header, chunk, tokens, write_head
from pywatt.http.limits import ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.worker.asgi.connection.byte_queue import ByteQueue
from pywatt.worker.asgi.connection.own_responses import concerns_server
from pywatt.worker.asgi.connection.request_timeouts import Arrival

PIECE = 16 * 1024
HEAD_PIECE = 4 * 1024
"""Bytes that are read at once."""
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""The preface of a client that knows that HTTP/2 is spoken here (RFC 9113 3.4)."""
H2C = b"h2c"
_CONNECTION = frozenset({b"connection", b"upgrade"})


class CheckedRequests:
    """Reads a connection for another server."""

    def __init__(
        self,
        stream: asyncio.StreamReader,
        limits: ConnectionLimits,
        *,
        now: Callable[[], float],
        answer_for_server: Callable[[RequestHead], Awaitable[None]],
    ) -> None:
        """`answer_for_server`: answers a request that the other server is not to see (`OPTIONS *`)."""
        self.answered = asyncio.Event()
        """Set by the owner once everything that was given out has been answered."""
        self.answered.set()
        self.arrival = Arrival(limits)
        self.unused = True
        """True if no request has come yet."""
        self._stream = stream
        self._reader = ApplicationRequestReader(limits.head)
        self._now = now
        self._answer_for_server = answer_for_server
        self._held = ByteQueue()
        self._is_raw = False
        """True if what follows is no HTTP/1, and is given out as it comes."""

    async def read(self) -> bytes:
        """Return some of a request, nothing once the client has left. Raises RequestError, OSError."""
        while True:
            if self._is_raw:
                return self._held.take() or await self._stream.read(PIECE)
            if self._reader.complete:
                if not await self._is_answered():
                    return b""
                self._reader.next()
            if data := self._take():
                return data
            head = self._reader.head
            if head is not None and self._reader.complete:
                await self._answer_for_server(head)
            elif not await self._receive():
                return b""

    async def _is_answered(self) -> bool:
        """Wait until the current request is answered; False when the client leaves before, and nothing follows."""
        while not self.answered.is_set() and not self._held:
            if not await self._receive():
                return False
        await self.answered.wait()
        return True

    async def _receive(self) -> bool:
        data = await self._stream.read(PIECE)
        self._held.add(data)
        return bool(data)

    def _take(self) -> bytes:
        """Return the held bytes that may be given out."""
        reader, held = self._reader, self._held
        if self.unused and (start := held.first(len(PREFACE))) and PREFACE.startswith(start):
            if start != PREFACE:
                self.arrival.head_goes_on(self._now())
                return b""
            self._is_raw = True
            self._is_in_use()
            self.arrival.ended()
            return held.take()
        while held:
            begun = reader.head is not None
            piece = held.first(PIECE if begun else HEAD_PIECE)
            held.drop(len(piece) - len(reader.feed(piece)))
            head = reader.head
            if head is None:
                self.arrival.head_goes_on(self._now())
                continue
            data = b""
            if not begun:
                self._is_in_use()
                if concerns_server(head):
                    self.arrival.ended()
                    return b""
                self.answered.clear()
                data = self._write_head(head)
            data += self._take_body(head)
            if data:
                return data
        return b""

    def _is_in_use(self) -> None:
        self.unused = False

    def _take_body(self, head: RequestHead) -> bytes:
        body, complete = self._reader.take_body(), self._reader.complete
        if complete:
            self.arrival.ended()
        else:
            self.arrival.body_goes_on(self._now(), len(body))
        if not head.chunked:
            return body
        return (chunk(body) if body else b"") + (LAST_CHUNK if complete else b"")

    def _write_head(self, head: RequestHead) -> bytes:
        path, query = sent_target(head.target)
        fields = self._upgrading(head, self._reader.own_fields())
        if not head.expects_continue:
            fields = [field for field in fields if field[0] != b"expect"]
        line = b"%b %b%b HTTP/1.%d\r\n" % (head.method, path, query, head.minor)
        return write_head(line, fields) + b"\r\n"

    def _upgrading(self, head: RequestHead, fields: list[Header]) -> list[Header]:
        """Return the fields with the Upgrade that is followed, if one is, in the way in which everybody reads it."""
        asked = [token for name, value in fields if name == b"upgrade" for token in tokens(value)]
        if not asked:
            return fields
        if not head.websocket:
            words = [token for name, value in fields if name == b"connection" for token in tokens(value)]
            bodiless = not any(name in (b"content-length", b"transfer-encoding") for name, _ in fields)
            if not (head.minor and asked == [H2C] and b"upgrade" in words and bodiless):
                return [field for field in fields if field[0] != b"upgrade"]
        self._is_raw = True
        kept = [field for field in fields if field[0] not in _CONNECTION]
        return [*kept, (b"connection", b"upgrade"), (b"upgrade", asked[0])]
