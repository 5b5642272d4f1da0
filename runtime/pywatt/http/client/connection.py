"""A client's connection to a server: at most one exchange at a time, streamed both ways."""

from __future__ import annotations

import asyncio
import enum
from typing import Protocol, cast

from pywatt.errors import BadResponse, ConnectionLost, MeshError
from pywatt.http.client.last_bytes import read_last
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead, ResponseReader

WRITE_BUFFER = 128 * 1024
"""Bytes waiting to be sent above which the receiver is told to stop writing."""
PIECE = 2 * 1024
"""Bytes of a body in tiny chunks that are read in one turn of the event loop."""
FINISH_LIMIT = 10.0
"""Seconds that a server gets to take the rest of a tunnel that has ended."""


class Receiver(Protocol):
    """Takes the response of one exchange. Its methods are called from the event loop and must not raise."""

    def on_informational(self, head: ResponseHead) -> None:
        """Take a 1xx response; more follows."""
        ...

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Take the head, and the part of the body that came with it."""
        ...

    def on_body(self, body: bytes, ended: bool) -> None:
        """Take more of the body, or its end."""
        ...

    def on_raw(self, data: bytes) -> None:
        """Take bytes that came after a 101."""
        ...

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """End an exchange without a whole response; after a 101 or an end it is just over.

        `retriable`: the connection had served others before and not a byte of this response came: the server most
        likely closed it in the same moment, without having seen the request.
        """
        ...

    def on_writable(self, writable: bool) -> None:
        """Stop or go on writing the request."""
        ...


class Owner(Protocol):
    """The pool that a connection belongs to."""

    @property
    def name(self) -> str:
        """The server, for messages."""
        ...

    @property
    def response_head_limit(self) -> int:
        """Bytes that the head of a response may have."""
        ...

    def limit_idle(self, seconds: float) -> None:
        """Note the time after which the server closes an idle connection."""
        ...

    def exchange_ended(self, connection: ClientConnection) -> None:
        """Take a connection back: it is free for another exchange, or closed."""
        ...

    def closed(self, connection: ClientConnection) -> None:
        """Forget a connection that is gone."""
        ...


class ClientState(enum.Enum):
    """The stage of a connection."""

    IDLE = enum.auto()
    BUSY = enum.auto()
    TUNNEL = enum.auto()
    """Bytes pass both ways, after a 101."""
    CLOSED = enum.auto()


# Looking up a member of an enum costs as much as a call.
IDLE, BUSY, TUNNEL, CLOSED = ClientState


class ClientConnection(asyncio.Protocol):
    """A connection of a pool."""

    __slots__ = (
        "_late",
        "_owner",
        "_paused",
        "_piecewise",
        "_reader",
        "_reading_on",
        "_reading_paused",
        "_received",
        "_receiver",
        "_request_ended",
        "_reused",
        "_transport",
        "idle_since",
        "state",
    )

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._reader = ResponseReader(owner.response_head_limit)
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._request_ended = False
        self._received = False
        self._reused = False
        self._paused = False
        """True while the receiver takes nothing."""
        self._reading_paused = False
        self._reading_on = False
        """True when the next piece is read in the next turn of the event loop."""
        self._piecewise = False
        """True when the response is read in small pieces, so that other connections get their turn."""
        self._late = bytearray()
        """Bytes of the response that are not read yet."""
        self.state = IDLE
        self.idle_since = 0.0

    # For the receiver of an exchange.

    def send(
        self, receiver: Receiver, data: bytes, *, ended: bool, to_head: bool = False, upgradable: bool = False
    ) -> None:
        """Start an exchange with the request's head and the first part of its body.

        `ended`: the request is complete. `to_head`: its method is HEAD. `upgradable`: it asks for a WebSocket.
        """
        assert self.state is IDLE
        self.state = BUSY
        self._receiver = receiver
        self._request_ended = ended
        self._received = self._paused = self._piecewise = False
        self._reader.expect(to_head=to_head, upgradable=upgradable)
        if self._transport is None:
            # Lost between being taken and being used; the loop must turn once before the receiver may be told.
            asyncio.get_running_loop().call_soon(self._fail, self._lost())
        else:
            self._transport.write(data)

    def write(self, data: bytes, *, ended: bool) -> None:
        """Send more of the request, or of the tunnel."""
        self._request_ended = ended
        if self._transport is not None and data:
            self._transport.write(data)

    def abandon(self) -> None:
        """End the exchange or the tunnel at once; the receiver is not told."""
        self._receiver = None
        state = self.state
        self._close(abort=True)
        if state is BUSY:
            self._owner.exchange_ended(self)

    def finish(self) -> None:
        """End a tunnel once everything was sent, or the server takes too long for it; the receiver is not told."""
        self._receiver = None
        self._close()
        if self._transport is not None:
            asyncio.get_running_loop().call_later(FINISH_LIMIT, self.reset)

    def pause_reading(self) -> None:
        """Stop taking the response in."""
        if self._receiver is not None:
            self._paused = True
            self._steer()

    def resume_reading(self) -> None:
        """Go on taking the response in."""
        if self._receiver is not None:
            self._paused = False
            self._read_on_soon()
            self._steer()

    @property
    def server(self) -> str:
        """The server's name, for messages and as the name of a worker."""
        return self._owner.name

    # For the pool.

    @property
    def usable(self) -> bool:
        """True when an exchange may start here."""
        return self._transport is not None and not self._transport.is_closing()

    def close(self) -> None:
        """Close an idle connection."""
        self._close()

    def reset(self) -> None:
        """Break the connection off; the receiver of an exchange is told."""
        if self._transport is not None:
            self._transport.abort()

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)

    def data_received(self, data: bytes) -> None:
        """Read, then hand on everything that came in one call."""
        receiver = self._receiver
        if self.state is TUNNEL:
            if receiver is not None:
                receiver.on_raw(data)
            return
        if receiver is None:
            if self.state is IDLE:  # nobody asked: these bytes would become the next call's response
                self._close(abort=True)
            return
        self._received = True
        if self._piecewise and (self._late or len(data) > PIECE):
            self._late += data
            self._read_on_soon()
            self._steer()
            return
        reader = self._reader
        whole = reader.recognise(data)
        if whole is not None:
            self._end(whole[0])
            receiver.on_response(*whole, True)
            return
        known = reader.head is not None
        try:
            raw = reader.feed(data)
        except BadResponse as error:
            status, start = reader.status_of_bad(data), reader.start_of_bad(data)
            self._fail(BadResponse(f"{self._owner.name}: {error.message}", status=status, start=start))
            return
        if reader.informational:
            informational, reader.informational = reader.informational, []
            for each in informational:
                receiver.on_informational(each)
        head = reader.head
        if head is None or self._receiver is not receiver:
            return
        body = reader.take_body()
        ended = reader.complete
        if head.status == SWITCHING_PROTOCOLS:
            self.state = TUNNEL
            self._owner.exchange_ended(self)
            receiver.on_response(head, b"", True)
            if raw and self._receiver is receiver:
                receiver.on_raw(raw)
            return
        if ended:
            self._end(head)
        if not known:
            receiver.on_response(head, body, ended)
        elif body or ended:
            receiver.on_body(body, ended)
        if reader.scattered:
            self._piecewise = self._receiver is receiver

    def eof_received(self) -> bool:
        """Let the transport close."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the receiver of an exchange."""
        transport, self._transport = self._transport, None
        if exc is not None and self.state is BUSY and transport is not None:
            exc = read_last(transport, self._take_last, exc)
        if self._late:
            late = bytes(self._late)
            self._late.clear()
            self._piecewise = False
            self.data_received(late)
        self._owner.closed(self)
        state, receiver, reader = self.state, self._receiver, self._reader
        if state is BUSY and receiver is not None:
            head = reader.head
            if head is not None and head.until_close and exc is None:
                self._end(head)
                receiver.on_body(b"", True)
            else:
                self._fail(self._lost())
        elif state is TUNNEL:
            self._close()
            self._receiver = None
            if receiver is not None:
                receiver.on_failure(self._lost(), False)
        else:
            self._close()

    def _take_last(self, data: bytes) -> bool:
        """Read a piece of a broken connection; return whether more is wanted."""
        if self._late:
            self._late += data
        else:
            self.data_received(data)
        return self.state is BUSY

    def pause_writing(self) -> None:
        """Tell the receiver that the server does not keep up."""
        if self._receiver is not None:
            self._receiver.on_writable(False)

    def resume_writing(self) -> None:
        """Tell the receiver that the server has caught up."""
        if self._receiver is not None:
            self._receiver.on_writable(True)

    def _read_on(self) -> None:
        """Read one more piece of a body that comes in tiny chunks."""
        self._reading_on = False
        late = self._late
        if not late or self._paused:
            return
        piece = bytes(late[:PIECE])
        del late[:PIECE]
        receiver = self._receiver
        self._piecewise = False
        self.data_received(piece)
        if receiver is not None and self._receiver is receiver:
            self._piecewise = True
            self._read_on_soon()
        self._steer()

    def _read_on_soon(self) -> None:
        if self._late and not self._paused and not self._reading_on:
            self._reading_on = True
            asyncio.get_running_loop().call_soon(self._read_on)

    def _steer(self) -> None:
        """Take the response in, or not."""
        pause = self._paused or bool(self._late)
        if self._transport is None or pause is self._reading_paused:
            return
        self._reading_paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _end(self, head: ResponseHead) -> None:
        """Free the connection, before the receiver hears of it: its next request may come at once."""
        self._receiver = None
        transport = self._transport
        if (
            transport is None
            or not head.keep_alive
            or not self._request_ended
            or self._reader.surplus
            or self._late
            or transport.is_closing()
            or transport.get_write_buffer_size()
        ):
            self._close()
        else:
            self.state = IDLE
            self._reused = True
            if head.idle_timeout is not None:
                self._owner.limit_idle(head.idle_timeout)
        self._owner.exchange_ended(self)

    def _fail(self, error: MeshError) -> None:
        receiver, self._receiver = self._receiver, None
        if receiver is None:
            return  # abandoned in the meantime
        self._close(abort=True)
        self._owner.exchange_ended(self)
        receiver.on_failure(error, self._reused and not self._received)

    def _lost(self) -> ConnectionLost:
        return ConnectionLost(f"{self._owner.name} closed the connection before its response was complete")

    def _close(self, *, abort: bool = False) -> None:
        self.state = CLOSED
        self._late.clear()
        if self._transport is None:
            return
        if abort:
            self._transport.abort()
        else:
            self._transport.close()
