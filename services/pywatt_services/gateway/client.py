"""A client's connection: requests come in one after the other, and are answered in that order."""

from __future__ import annotations

import asyncio
import enum
import math
from typing import TYPE_CHECKING, cast

from pywatt.http.answer import JSON, error_body, route_not_found, write_answer
from pywatt.http.headers import FORWARDED, Header
from pywatt.http.refusal import RefusedError
from pywatt.http.request import RequestHead
from pywatt.http.request_reader import RequestReader
from pywatt.http.target import ASTERISK
from pywatt_services.gateway.exchange import Exchange
from pywatt_services.gateway.peer import peer_of
from pywatt_services.gateway.routes import has_prefix

if TYPE_CHECKING:
    from pywatt_services.gateway.server import GatewayServer

MAX_HELD = 64 * 1024
"""Bytes behind the current request above which the client has to wait."""
WRITE_BUFFER = 256 * 1024
"""Bytes waiting to be sent above which the service has to wait."""
RETRY_AFTER: Header = (b"retry-after", b"1")
WELCOME = b'{"message":"Welcome to pywatt! This gateway has no route for /."}'
ALLOW: Header = (b"allow", b"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")


class ClientState(enum.Enum):
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


# Looking up a member of an enum costs as much as a call.
READING, WAITING, TUNNEL, LINGERING, CLOSED = ClientState


class ClientConnection(asyncio.Protocol):
    """The server's side of one connection."""

    __slots__ = (
        "_blocked_since",
        "_exchange",
        "_head_begun",
        "_held",
        "_peer",
        "_reader",
        "_reading_paused",
        "_server",
        "_since",
        "_transport",
        "_unused",
        "state",
    )

    def __init__(self, server: GatewayServer) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._held = b""
        self._head_begun = False
        self._reading_paused = False
        self._unused = True
        self._since = 0.0
        self._blocked_since = math.inf
        self.state = READING

    @property
    def idle(self) -> bool:
        """Whether no request is being read or served."""
        return self._exchange is None and not self._head_begun and self.state is READING

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who the client is."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._peer = peer_of(transport, self._server.trust_proxy)
        self._reader = RequestReader(self._server.limits.head, dropped=frozenset() if self._peer.trusted else FORWARDED)
        self._server.opened(self)
        self._since = self._server.now

    def data_received(self, data: bytes) -> None:
        """Read, or hold what belongs to a later request."""
        if self.state is READING:
            self._advance(data)
        elif self.state is WAITING:
            self._held += data
            if len(self._held) > MAX_HELD:
                self.pause_reading()
        elif self.state is TUNNEL and self._exchange is not None:
            self._exchange.on_client_raw(data)

    def eof_received(self) -> bool:
        """Take it as the client's end: who closes half of a connection cannot be told from who goes away."""
        self._leave()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up what was in flight."""
        self._transport = None
        self._leave()
        self._server.closed(self)

    def pause_writing(self) -> None:
        """Make the service wait."""
        self._blocked_since = self._server.now
        if self._exchange is not None:
            self._exchange.on_client_writable(False)

    def resume_writing(self) -> None:
        """Let the service go on."""
        self._blocked_since = math.inf
        if self._exchange is not None:
            self._exchange.on_client_writable(True)

    # For the exchange.

    def write(self, data: bytes) -> None:
        """Send something."""
        if self._transport is not None:
            self._transport.write(data)

    def exchange_ended(self, *, close: bool) -> None:
        """Go on with the next request, or close."""
        self._answered(close=close)
        if self.state is READING and self._held:
            data, self._held = self._held, b""
            self._advance(data)

    def exchange_failed(self, status: int, message: str) -> None:
        """Answer with an error, then go on."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        self._answer_error(status, message)
        self.exchange_ended(close=self._must_close())

    def exchange_upgraded(self) -> None:
        """Begin the tunnel with what came behind the handshake."""
        self.state = TUNNEL
        held, self._held = self._held, b""
        if held and self._exchange is not None:
            self._exchange.on_client_raw(held)
        self.resume_reading()

    def tunnel_ended(self) -> None:
        """Close once everything was sent."""
        self._exchange = None
        self.close()

    def abort(self) -> None:
        """Break the connection off."""
        self.state = CLOSED
        self._leave()
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Take nothing more in."""
        if self._transport is not None and not self._reading_paused:
            self._reading_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take more in."""
        if self._transport is not None and self._reading_paused:
            self._reading_paused = False
            self._since = self._server.now
            self._transport.resume_reading()

    # For the server.

    def close(self) -> None:
        """Close once everything was sent."""
        self.state = CLOSED
        if self._transport is not None:
            self._transport.close()

    def close_websocket(self) -> None:
        """Have a tunnel end."""
        if self._exchange is not None:
            self._exchange.close_websocket()

    def end_events(self) -> None:
        """Have a stream of server-sent events end."""
        if self._exchange is not None:
            self._exchange.end_events()

    def look_at_time(self, now: float) -> None:
        """Enforce the limits on time."""
        limits = self._server.limits
        if now - self._blocked_since > limits.write_timeout:
            self.abort()
            return
        passed = now - self._since
        match self.state:
            case ClientState.READING if self._exchange is not None:
                if passed > limits.body_timeout and not self._reading_paused:
                    self._refuse(RefusedError(408, "the body of the request did not come in time"))
            case ClientState.READING if self._head_begun:
                if passed > limits.head_timeout:
                    self._refuse(RefusedError(408, "the head of the request did not come in time"))
            case ClientState.READING:
                if passed > (limits.head_timeout if self._unused else limits.keep_alive):
                    self.close()
            case ClientState.WAITING if self._exchange is not None and not self._exchange.responding:
                if passed > limits.response_timeout:
                    self._exchange.expire()
            case ClientState.LINGERING if passed > limits.linger:
                self.abort()
            case _:
                pass

    # Inside.

    def _advance(self, data: bytes) -> None:
        """Read requests and begin with them, until one has to be waited for."""
        reader = self._reader
        while True:
            try:
                rest = reader.feed(data)
                head = reader.head
                if head is None:
                    if not self._head_begun:
                        self._head_begun = True
                        self._since = self._server.now
                    return
                self._held = rest
                self._since = self._server.now
                if reader.complete:
                    self.state = WAITING
                if self._exchange is not None:
                    self._exchange.on_request_body(reader.take_body(), reader.complete)
                else:
                    self._head_begun = False
                    self._begin(head)
            except RefusedError as error:
                self._refuse(error)
                return
            if self.state is not READING or not self._held:
                return
            data, self._held = self._held, b""

    def _begin(self, head: RequestHead) -> None:
        server, reader = self._server, self._reader
        path, base_path = head.path, b""
        if server.base_path and has_prefix(path, server.base_path):
            path, base_path = path[len(server.base_path) :] or b"/", server.base_path
        route = server.routes.find(head.method, head.authority, path)
        if route is not None:
            exchange = Exchange(self, server, head, route, base_path)
            self._exchange = exchange
            exchange.start(path, self._peer, reader.take_body(), reader.complete)
            return
        if path == ASTERISK:
            self._answer(204, (ALLOW,), b"")
        elif path == b"/" and head.method in (b"GET", b"HEAD"):
            self._answer(200, (JSON,), WELCOME)
        else:
            self._answer(404, (JSON,), route_not_found(head.method.decode(), head.target.decode("utf-8", "replace")))
        self._answered(close=self._must_close())

    def _must_close(self) -> bool:
        head = self._reader.head
        return head is None or not head.keep_alive or not self._reader.complete or self._server.draining

    def _answered(self, *, close: bool) -> None:
        """Get ready for the next request, or close."""
        self._exchange = None
        if close or not self._server.keeps_idle:
            if self._reader.complete and not self._held:
                self.close()
            else:
                self._linger()
            return
        self._reader.next()
        self._unused = False
        self._since = self._server.now
        self.state = READING
        if self._reading_paused:
            self.resume_reading()

    def _answer(self, status: int, headers: tuple[Header, ...], body: bytes) -> None:
        head = self._reader.head
        if self._must_close():
            headers = (*headers, (b"connection", b"close"))
        elif head is not None and not head.minor:
            headers = (*headers, (b"connection", b"keep-alive"))
        with_body = head is None or head.method != b"HEAD"
        self.write(write_answer(status, self._server.date, headers, body, with_body=with_body))

    def _answer_error(self, status: int, message: str) -> None:
        headers = (JSON, RETRY_AFTER) if status == 503 else (JSON,)
        self._answer(status, headers, error_body(status, message))

    def _refuse(self, error: RefusedError) -> None:
        """Answer a request that must not be served, and read no further: nobody knows where the next one begins."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.cancel()
            if exchange.responding:
                self.abort()
                return
        headers = [JSON, (b"connection", b"close")]
        if error.status == 426:
            headers += [(b"sec-websocket-version", b"13"), (b"upgrade", b"websocket")]
        body = error_body(error.status, error.message)
        self.write(write_answer(error.status, self._server.date, headers, body))
        self._linger()

    def _linger(self) -> None:
        self._held = b""
        self._since = self._server.now
        self.state = LINGERING
        self.resume_reading()
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _leave(self) -> None:
        """Let go of the exchange: the client is gone."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self.state is TUNNEL:
            exchange.end_tunnel()
        else:
            exchange.cancel()
        self.state = CLOSED
