"""The server's side of a connection: reads requests one after the other, and closes it when a client is too slow.

At most one request is served at a time. Bytes that come behind it are held; above a limit the client is not read. The
next request begins once the response before it was written, the client takes its responses, and the queue
(`pywatt.http.server.fair_queue`) has come to this connection. Subclasses serve heads and pieces of bodies.
"""

from __future__ import annotations

import asyncio
import math
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar, cast

from pywatt.http.headers import Headers
from pywatt.http.limits import MAX_HELD, RESUME_HELD, WRITE_BUFFER, ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.discard import Discard
from pywatt.http.server.errors import ALLOW, RETRY_AFTER, TOO_MANY_CLIENTS, error_body
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.state import CLOSED, LINGERING, READING, TUNNEL, WAITING
from pywatt.http.server.writer import JSON, NEVER_SIZED, write_response_head

HEAD_PIECE = 4 * 1024
"""Held bytes that are given to the reader at once: bytes that it does not need are copied."""
BODY_PIECE = 64 * 1024
"""The same in the middle of a body, which takes them all."""
NEVER = math.inf
CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"


class Server(Protocol):
    """The parts of a server that its connections use."""

    @property
    def now(self) -> float: ...

    @property
    def date(self) -> bytes: ...

    @property
    def draining(self) -> bool: ...

    @property
    def limits(self) -> ConnectionLimits: ...

    @property
    def fair_queue(self) -> FairQueue: ...

    def opened(self, client: Any) -> None: ...

    def closed(self, client: Any) -> None: ...


ServerT = TypeVar("ServerT", bound=Server)


class ServerConnection(asyncio.Protocol, ABC, Generic[ServerT]):
    """A client's connection; subclasses serve its requests."""

    __slots__ = (
        "_asked_to_wait",
        "_begun",
        "_blocked_since",
        "_dated",
        "_held",
        "_queued",
        "_reader",
        "_reading_paused",
        "_server",
        "_serving",
        "_since",
        "_transport",
        "_unused",
        "state",
    )

    def __init__(self, server: ServerT, reader: RequestReader, *, dated: bool = True) -> None:
        """`dated`: True if the responses that it writes itself carry a date (RFC 9110 6.6.1)."""
        self._server = server
        self._dated = dated
        self._reader = reader
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        """Bytes behind the current request."""
        self._begun = NEVER
        """The time of the first byte of a request that did not come whole."""
        self._serving = False
        """True when the head of the current request was handed to the subclass."""
        self._unused = True
        """True until a request was served."""
        self._queued = False
        self._asked_to_wait = False
        """True while no more of the request's body can be taken."""
        self._reading_paused = False
        self._since = 0.0
        """The time at which the current state began, or went on."""
        self._blocked_since = NEVER
        """The time since which the client takes too little."""
        self.state = READING

    @property
    def idle(self) -> bool:
        """True when no request is being read or served."""
        return self.state is READING and not self._reader.started and not self._held

    @property
    def since(self) -> float:
        """The time at which the current state began, or went on."""
        return self._since

    def refuse_for_want_of_room(self) -> None:
        """Tell a new client that there are too many, and close."""
        body = error_body(503, TOO_MANY_CLIENTS)
        self._write_response(503, (JSON, RETRY_AFTER), body, keep=False)
        self.close()

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._server.opened(self)
        self._since = self._server.now

    def data_received(self, data: bytes) -> None:
        """Read, or hold bytes of a later request."""
        if self.state is READING and not self._held and self._blocked_since == NEVER:
            try:
                rest = self._reader.feed(data)
                if rest:
                    self._held += rest
                    self._proceed()
                    self._go_on()
                else:
                    self._proceed()
            except RequestError as error:
                self._refuse(error)
        elif self.state is READING or self.state is WAITING:
            self._held += data
            self._go_on()
        elif self.state is TUNNEL:
            self._pass_on(data)

    def eof_received(self) -> bool:
        """Take it as the client's end: closing half of a connection cannot be told from going away."""
        self._leave()
        self._set_closed()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Give the current request up."""
        self._transport = None
        self._leave()
        self._set_closed()
        self._server.closed(self)

    def pause_writing(self) -> None:
        """Begin with no further request until the client has taken its answers."""
        self._blocked_since = self._server.now
        self._steer()

    def resume_writing(self) -> None:
        """Go on."""
        self._blocked_since = NEVER
        self._go_on()

    # For the line.

    def read_held(self) -> None:
        """Read held bytes: as far as one request goes, or a part of it."""
        self._queued = False
        held = self._held
        if not held or not self._may_read():
            return
        piece = bytes(held[: HEAD_PIECE if self._reader.head is None else BODY_PIECE])
        try:
            rest = self._reader.feed(piece)
            del held[: len(piece) - len(rest)]
            self._proceed()
        except RequestError as error:
            self._refuse(error)
        self._go_on()

    # For the server.

    def write(self, data: bytes) -> None:
        """Send bytes."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close once everything was sent."""
        self._set_closed()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Break the connection off."""
        self._set_closed()
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Take nothing more of the body, or of the tunnel, in."""
        self._asked_to_wait = True
        self._steer()

    def resume_reading(self) -> None:
        """Take more in."""
        self._asked_to_wait = False
        self._go_on()

    def look_at_time(self, now: float) -> None:
        """Enforce the timeouts."""
        limits, passed = self._server.limits, now - self._since
        if now - self._blocked_since > limits.write:
            self.abort()
        elif self.state is LINGERING or self.state is CLOSED:
            # With TLS, one that is closed waits for the client to close too.
            written = self._transport and not self._transport.get_write_buffer_size()
            if passed > (limits.linger if written else limits.write):
                self.abort()
        elif self.state is READING and not self._serving and self._begun == NEVER:
            if passed > (limits.head_timeout if self._unused else limits.keep_alive):
                self.close()
        else:
            self._check_request_time(now)

    # For subclasses to define.

    @abstractmethod
    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        """Begin to serve a request. `body`: its first piece. `ended`: the body is complete. Raises RequestError."""

    @abstractmethod
    def _on_body(self, body: bytes, ended: bool) -> None:
        """Take the next piece of the body, or its end. Raises RequestError."""

    @abstractmethod
    def _leave(self) -> None:
        """Let go of the request that is served: its response is not wanted any more."""

    def _pass_on(self, data: bytes) -> None:
        """Take bytes of a tunnel."""

    @property
    def _responding(self) -> bool:
        """True when a response has begun, so that no other can be written."""
        return False

    def _error_response(self, error: RequestError) -> tuple[Headers, bytes]:
        """Return headers and body of the response to a request that must not be served."""
        headers = (JSON, ALLOW) if error.status == 405 else (JSON,)
        return headers, error_body(error.status, error.message)

    def _check_request_time(self, now: float) -> None:
        """Enforce the timeouts of a request that has begun to come, or is served."""
        if self.state is not READING:
            return
        limits, passed = self._server.limits, now - self._since
        if not self._serving:
            if passed > limits.head_timeout:
                self._refuse(RequestError(408, "the head of the request did not come in time"))
        elif passed > limits.body_timeout and not self._reading_paused:
            self._refuse(RequestError(408, "the body of the request did not come in time"))

    # For subclasses to call.

    def _keeps_alive(self) -> bool:
        """Tell whether another request may follow the current one."""
        reader = self._reader
        head = reader.head
        return head is not None and head.keep_alive and reader.complete and not self._server.draining

    def _write_response(self, status: int, headers: Headers, body: bytes, *, keep: bool) -> None:
        """Write a whole response."""
        head = self._reader.head
        date = self._server.date if self._dated else b""
        connection = CLOSE if not keep else b"" if head is None or head.minor else KEEP_ALIVE
        if status in NEVER_SIZED:
            data = write_response_head(status, headers, date, connection)
        else:
            length = b"content-length: %d\r\n" % len(body)
            data = write_response_head(status, headers, date, connection, length)
            if body and (head is None or head.method != b"HEAD"):
                data += body
        if self._transport is not None:
            self._transport.write(data)

    def _refuse(self, error: RequestError) -> None:
        """Respond with an error, then linger: the start of the next request is not known."""
        responding = self._responding
        self._leave()
        if responding:
            self.abort()
            return
        headers, body = self._error_response(error)
        self._write_response(error.status, headers, body, keep=False)
        self._linger()

    def _next(self) -> None:
        """Get ready for the next request: the response to the current one was written."""
        self._reader.next()
        self._begun = NEVER
        self._serving = self._unused = self._asked_to_wait = False
        self._since = self._server.now
        self.state = READING
        if self._held or self._reading_paused:
            self._go_on()

    def _finish(self) -> None:
        """Close; or linger first, if the client may still be sending."""
        if self._reader.complete and not self._held and not self._reading_paused:
            self.close()
        else:
            self._linger()

    def _linger(self) -> None:
        self._held.clear()
        self._since = self._server.now
        self.state = LINGERING
        if self._transport is not None:
            Discard(self._transport, call_later=self._server.fair_queue.call_later)

    def _go_on(self) -> None:
        """Get in line if more was sent, and see whether the client may send on."""
        if self._held and self._may_read():
            self._join_queue()
        self._steer()

    # Inside.

    def _proceed(self) -> None:
        """Hand on the part of the current request that was read. Raises RequestError."""
        reader = self._reader
        head = reader.head
        now = self._server.now
        if head is None:
            if self._begun == NEVER:
                self._begun = self._since = now
            return
        self._since = now
        if reader.complete:
            self.state = WAITING
        elif self._begun == NEVER:
            self._begun = now
        if self._serving:
            self._on_body(reader.take_body(), reader.complete)
        else:
            self._serving = True
            self._on_request(head, reader.take_body(), reader.complete)

    def _join_queue(self) -> None:
        if not self._queued:
            self._queued = True
            self._server.fair_queue.add(self)

    def _may_read(self) -> bool:
        """Tell whether held bytes may be read; a request that has begun to come is read to its end."""
        if self.state is not READING or self._asked_to_wait:
            return False
        return self._blocked_since == NEVER or self._reader.started

    def _steer(self) -> None:
        """Read from the client, or not."""
        if self._transport is None or self.state is CLOSED or self.state is LINGERING:
            return
        pause = (
            self._asked_to_wait
            or len(self._held) > (RESUME_HELD if self._reading_paused else MAX_HELD)
            or (self._blocked_since != NEVER and self.state is READING and not self._reader.started)
        )
        if pause is self._reading_paused:
            return
        self._reading_paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._since = self._server.now
            self._transport.resume_reading()

    def _set_closed(self) -> None:
        if self.state is not CLOSED:
            self._since = self._server.now
            self.state = CLOSED
        self._held.clear()
