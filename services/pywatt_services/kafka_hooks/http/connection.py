"""The server's side of one client's connection: requests in, one after the other, and their answers out.

No ASGI here: a task, an event and three coroutines per request would cost more than publishing a record does.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import math
from typing import TYPE_CHECKING, cast

from pywatt.http.answer import CONTINUE, JSON, error_body, status_line
from pywatt.http.headers import write_head
from pywatt.http.refusal import RefusedError
from pywatt.http.request import RequestHead
from pywatt.http.request_reader import RequestReader
from pywatt_services.kafka_hooks.http.answers import NEVER_SIZED, HttpAnswer, failed, too_large
from pywatt_services.kafka_hooks.http.exchange import Exchange, Request

if TYPE_CHECKING:
    from pywatt_services.kafka_hooks.http.server import HooksServer

MAX_HELD = 64 * 1024  # bytes behind the current request above which the client has to wait
CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"

logger = logging.getLogger("pywatt.kafka_hooks")


class ConnectionPhase(enum.Enum):
    """What a client's connection is doing."""

    READING = enum.auto()
    """Waiting for a request, or in the middle of one."""
    ANSWERING = enum.auto()
    """The request is complete, its answer is not there yet."""
    LINGERING = enum.auto()
    """Everything was answered; what still comes is thrown away."""
    CLOSED = enum.auto()


# Looking up a member of an enum costs as much as a call.
READING, ANSWERING, LINGERING, CLOSED = ConnectionPhase


class HttpConnection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_advancing",
        "_blocked_since",
        "_exchange",
        "_head_seen",
        "_held",
        "_pieces",
        "_public",
        "_reader",
        "_reading_paused",
        "_server",
        "_since",
        "_size",
        "_transport",
        "phase",
    )

    def __init__(self, server: HooksServer, *, public: bool) -> None:
        """`public`: whether the client comes from outside, where answers carry a date (RFC 9110 section 6.6.1)."""
        self._server = server
        self._public = public
        self._reader = RequestReader(server.limits.head)
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._held = b""
        self._head_seen = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._advancing = False
        self._reading_paused = False
        self._since = 0.0
        self._blocked_since = math.inf
        self.phase = READING

    @property
    def idle(self) -> bool:
        """Whether no request is being read or answered."""
        return self.phase is READING and not self._reader.started

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        self._server.opened(self)
        self._since = self._server.now

    def data_received(self, data: bytes) -> None:
        """Read, or hold what belongs to a later request."""
        if self.phase is READING and not self._held:
            self._advance(data)
        elif self.phase in (READING, ANSWERING):
            self._held += data
            if len(self._held) > MAX_HELD:
                self._pause_reading()

    def eof_received(self) -> bool:
        """Take it as the client's end: who closes half of a connection cannot be told from who goes away."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever works on its request."""
        self._transport = None
        self.phase = CLOSED
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()
        self._server.closed(self)

    def pause_writing(self) -> None:
        """Take no further request until the client has taken its answers."""
        self._blocked_since = self._server.now
        self._pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked_since = math.inf
        self._go_on()

    # For the exchange.

    def respond(self, answer: HttpAnswer) -> None:
        """Send the answer to the current request, then go on with the next."""
        self._exchange = None
        head = self._reader.head
        if self._transport is None or head is None:
            return
        keep = head.keep_alive and not self._server.draining
        self._write(answer, head, keep=keep)
        if not keep:
            self.close()
            return
        self._reader.next()
        self._head_seen = False
        self._since = self._server.now
        self.phase = READING
        if not self._advancing:
            self._go_on()

    # For the server.

    def close(self) -> None:
        """Close once everything was sent."""
        self.phase = CLOSED
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Break the connection off."""
        self.phase = CLOSED
        if self._transport is not None:
            self._transport.abort()

    def look_at_time(self, now: float) -> None:
        """Enforce the limits on time."""
        limits = self._server.limits
        passed = now - self._since
        if now - self._blocked_since > limits.write:
            self.abort()
        elif self.phase is LINGERING:
            if passed > limits.linger:
                self.abort()
        elif self.phase is READING and self._blocked_since == math.inf:
            if not self._reader.started:
                if passed > limits.idle:
                    self.close()
            elif passed > limits.request:
                self._refuse(RefusedError(408, "the request did not come in time"))

    # Inside.

    def _advance(self, data: bytes) -> None:
        """Read requests and have them answered, until one has to be waited for."""
        self._advancing = True
        try:
            while data and self.phase is READING:
                if not self._reader.started:
                    self._since = self._server.now
                try:
                    data = self._reader.feed(data)
                    self._take_body()
                except RefusedError as error:
                    self._refuse(error)
                    return
                if self._reader.complete and self._reader.head is not None:
                    self._begin(self._reader.head)
                if self._reading_paused:
                    break
        finally:
            self._advancing = False
        if data and self.phase in (READING, ANSWERING):
            self._held = data

    def _take_body(self) -> None:
        """Keep what has come of the body. Raises RefusedError when it is too large."""
        head = self._reader.head
        if head is None:
            return
        if not self._head_seen:
            self._head_seen = True
            if head.content_length > self._server.body_limit and self._is_too_large(head, head.content_length):
                raise RefusedError(413, "the body is too large")
            if head.expects_continue and not self._reader.complete and self._transport is not None:
                self._transport.write(CONTINUE)
        piece = self._reader.take_body()
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > self._server.body_limit and self._is_too_large(head, self._size):
                raise RefusedError(413, "the body is too large")

    def _is_too_large(self, head: RequestHead, size: int) -> bool:
        """Tell whether a body over the limit is too large: what our own workers send may hold a whole one."""
        more = 0 if self._public else self._server.more_inside.get(head.path.decode("latin-1"), 0)
        return size > self._server.body_limit + more

    def _begin(self, head: RequestHead) -> None:
        pieces = self._pieces
        body = b"" if not pieces else pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces, self._size = [], 0
        headers = [(name.lower(), value) for name, value in head.headers]
        if head.authority:
            headers.append((b"host", head.authority))
        request = Request(
            head.method.decode(),
            self._server.local_path(head.path.decode("latin-1")),
            head.query[1:],
            headers,
            body,
            head.target.decode("utf-8", "replace"),
            self._public,
        )
        self.phase = ANSWERING
        exchange = self._exchange = Exchange(self)
        try:
            self._server.handler.handle(request, exchange)
        except Exception:
            # One request that trips over a mistake of ours must not take the others down with it.
            logger.exception("%s %s failed", request.method, request.path)
            exchange.answer(failed())

    def _write(self, answer: HttpAnswer, head: RequestHead | None, *, keep: bool) -> None:
        parts = write_head(status_line(answer.status), answer.headers)
        if self._public:
            parts += self._server.date
        if not keep:
            parts += CLOSE
        elif head is not None and not head.minor:
            parts += KEEP_ALIVE
        if answer.status in NEVER_SIZED:
            parts += b"\r\n"
        elif head is not None and head.method == b"HEAD":
            parts += b"content-length: %d\r\n\r\n" % len(answer.body)
        else:
            parts += b"content-length: %d\r\n\r\n%b" % (len(answer.body), answer.body)
        if self._transport is not None:
            self._transport.write(parts)

    def _refuse(self, error: RefusedError) -> None:
        """Answer a request that must not be served, and read no further: nobody knows where the next one begins."""
        answer = (
            too_large()
            if error.status == 413
            else HttpAnswer(error.status, (JSON,), error_body(error.status, error.message))
        )
        self._write(answer, None, keep=False)
        # Closing now, with bytes unread, would destroy the answer on its way.
        self._held, self._pieces, self._size = b"", [], 0
        self._since = self._server.now
        self.phase = LINGERING
        self._resume_reading()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _go_on(self) -> None:
        """Read what was held back, then from the client again."""
        if self._blocked_since != math.inf or self.phase is not READING:
            return
        self._resume_reading()
        if self._held:
            data, self._held = self._held, b""
            self._advance(data)

    def _pause_reading(self) -> None:
        if self._transport is not None and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._transport is not None and self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
