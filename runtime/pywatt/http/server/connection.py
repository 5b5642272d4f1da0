"""A server's side of one connection: when it reads, holds back what came too early, and writes.

At most one request is served at a time. What has come behind it is held; above a limit the client is not read. The
next request begins once the answer before it was written, the client takes its answers, and it is this connection's
turn (`pywatt.http.server.turns`).
"""

from __future__ import annotations

import asyncio
import enum
import math
from abc import ABC, abstractmethod
from typing import Any, Generic, Protocol, TypeVar, cast

from pywatt.http.limits import MAX_HELD, RESUME_HELD, WRITE_BUFFER, ConnectionLimits
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.discard import Discard
from pywatt.http.server.turns import Turns

HEAD_PIECE = 4 * 1024
"""Bytes of what is held that are given to the reader at once: what it does not need is copied."""
BODY_PIECE = 64 * 1024
"""The same in the middle of a body, which takes them all."""
NEVER = math.inf


class ConnectionState(enum.Enum):
    """What a client's connection is doing."""

    READING = enum.auto()
    """Waiting for a request, or in the middle of one."""
    WAITING = enum.auto()
    """The request is complete; its response is not."""
    TUNNEL = enum.auto()
    """After an upgrade: bytes both ways."""
    LINGERING = enum.auto()
    """Everything was answered; what still comes is thrown away."""
    CLOSED = enum.auto()
    """It closes once the client has taken what was written."""


# Looking up a member of an enum costs as much as a call.
READING, WAITING, TUNNEL, LINGERING, CLOSED = ConnectionState


class Server(Protocol):
    """What a connection needs of its server."""

    @property
    def now(self) -> float: ...

    @property
    def limits(self) -> ConnectionLimits: ...

    @property
    def turns(self) -> Turns: ...

    def opened(self, client: Any) -> None: ...

    def closed(self, client: Any) -> None: ...


ServerT = TypeVar("ServerT", bound=Server)


class ServerConnection(asyncio.Protocol, ABC, Generic[ServerT]):
    """A client's connection; what is done about its requests is up to the server."""

    __slots__ = (
        "_asked_to_wait",
        "_begun",
        "_blocked_since",
        "_held",
        "_in_line",
        "_reader",
        "_reading_paused",
        "_server",
        "_since",
        "_transport",
        "state",
    )

    def __init__(self, server: ServerT, reader: RequestReader) -> None:
        self._server = server
        self._reader = reader
        self._transport: asyncio.Transport | None = None
        self._held = bytearray()
        """What has come behind the current request."""
        self._begun = False
        """Whether the head of a request has begun to come, and is not complete."""
        self._in_line = False
        self._asked_to_wait = False
        """Whether what the request is for takes no more of its body now."""
        self._reading_paused = False
        self._since = 0.0
        """When the current state began, or went on."""
        self._blocked_since = NEVER
        """Since when the client takes too little."""
        self.state = READING

    @property
    def idle(self) -> bool:
        """Whether no request is being read or served."""
        return self.state is READING and not self._reader.started and not self._held

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._server.opened(self)
        self._since = self._server.now

    def data_received(self, data: bytes) -> None:
        """Read, or hold what belongs to a later request."""
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
        """Take it as the client's end: who closes half of a connection cannot be told from who goes away."""
        self._leave()
        self._set_closed()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was in flight."""
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

    def take_turn(self) -> None:
        """Read on in what is held: as far as one request goes, or a part of it."""
        self._in_line = False
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
        """Send something."""
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
        """Enforce the limits on time."""
        limits, passed = self._server.limits, now - self._since
        if now - self._blocked_since > limits.write:
            self.abort()
        elif self.state is LINGERING or self.state is CLOSED:
            written = self.state is LINGERING and self._transport and not self._transport.get_write_buffer_size()
            if passed > (limits.linger if written else limits.write):
                self.abort()
        else:
            self._look_at_time(passed)

    # What a server adds.

    @abstractmethod
    def _proceed(self) -> None:
        """Do something about what the reader has read. Raises RequestError."""

    @abstractmethod
    def _refuse(self, error: RequestError) -> None:
        """Answer a request that must not be served, and linger: nobody knows where the next one begins."""

    @abstractmethod
    def _leave(self) -> None:
        """Let go of the request that is served: nobody waits for its answer any more."""

    @abstractmethod
    def _look_at_time(self, passed: float) -> None:
        """Enforce the limits on time of one who reads or waits; `passed`: seconds since the state began."""

    def _pass_on(self, data: bytes) -> None:
        """Take bytes of a tunnel."""

    # For what a server adds.

    def _next(self) -> None:
        """Get ready for the next request: the current one was answered."""
        self._reader.next()
        self._begun = False
        self._asked_to_wait = False
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
            Discard(self._transport, call_later=self._server.turns.call_later)

    def _go_on(self) -> None:
        """Get in line if more was sent, and see whether the client may send on."""
        if self._held and self._may_read():
            self._wait_for_turn()
        self._steer()

    # Inside.

    def _wait_for_turn(self) -> None:
        if not self._in_line:
            self._in_line = True
            self._server.turns.add(self)

    def _may_read(self) -> bool:
        """Tell whether what is held may be read; a request that has begun to come is read to its end."""
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
