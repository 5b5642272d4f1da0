"""A client's connection: requests come in one after the other, and are answered in that order."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pywatt.http.headers import FORWARDED, Header
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import TUNNEL, WAITING, ConnectionState, ServerConnection
from pywatt.http.server.errors import error_body, route_not_found
from pywatt.http.server.writer import JSON, write_response
from pywatt.http.target import ASTERISK
from pywatt_services.gateway.exchange import Exchange
from pywatt_services.gateway.peer import Peer, peer_of
from pywatt_services.gateway.routes import has_prefix

if TYPE_CHECKING:
    from pywatt_services.gateway.server import GatewayServer

RETRY_AFTER: Header = (b"retry-after", b"1")
WELCOME = b'{"message":"Welcome to pywatt! This gateway has no route for /."}'
ALLOW: Header = (b"allow", b"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")


class ClientConnection(ServerConnection["GatewayServer"]):
    """The gateway's side of one connection."""

    __slots__ = ("_exchange", "_peer", "_unused")

    def __init__(self, server: GatewayServer) -> None:
        super().__init__(server, RequestReader(server.limits.head))
        self._exchange: Exchange | None = None
        self._peer = Peer(b"", False)
        self._unused = True

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn who the client is."""
        super().connection_made(transport)
        self._peer = peer_of(transport, self._server.trust_proxy)
        if not self._peer.trusted:
            self._reader = RequestReader(self._server.limits.head, dropped=FORWARDED)

    def pause_writing(self) -> None:
        """Make the service wait."""
        super().pause_writing()
        if self._exchange is not None:
            self._exchange.on_client_writable(False)

    def resume_writing(self) -> None:
        """Let the service go on."""
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.on_client_writable(True)

    # For the exchange.

    def exchange_ended(self, *, close: bool) -> None:
        """Go on with the next request, or close."""
        self._exchange = None
        if close or not self._server.keeps_idle:
            self._finish()
            return
        self._unused = False
        self._next()

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
        if self._held:
            held = bytes(self._held)
            self._held.clear()
            self._pass_on(held)
        self._steer()

    def tunnel_ended(self) -> None:
        """Close once everything was sent."""
        self._exchange = None
        self.close()

    # For the server.

    def close_websocket(self) -> None:
        """Have a tunnel end."""
        if self._exchange is not None:
            self._exchange.close_websocket()

    def end_events(self) -> None:
        """Have a stream of server-sent events end."""
        if self._exchange is not None:
            self._exchange.end_events()

    # Inside.

    def _proceed(self) -> None:
        """Begin with a request, or pass more of its body on."""
        reader = self._reader
        head = reader.head
        if head is None:
            if not self._begun:
                self._begun = True
                self._since = self._server.now
            return
        self._since = self._server.now
        if reader.complete:
            self.state = WAITING
        if self._exchange is not None:
            self._exchange.on_request_body(reader.take_body(), reader.complete)
        else:
            self._begun = False
            self._begin(head)

    def _pass_on(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.on_client_raw(data)

    def _look_at_time(self, passed: float) -> None:
        limits = self._server.limits
        match self.state:
            case ConnectionState.READING if self._exchange is not None:
                if passed > limits.body_timeout and not self._reading_paused:
                    self._refuse(RequestError(408, "the body of the request did not come in time"))
            case ConnectionState.READING if self._begun:
                if passed > limits.head_timeout:
                    self._refuse(RequestError(408, "the head of the request did not come in time"))
            case ConnectionState.READING:
                if passed > (limits.head_timeout if self._unused else limits.keep_alive):
                    self.close()
            case ConnectionState.WAITING if self._exchange is not None and not self._exchange.responding:
                if passed > limits.response_timeout:
                    self._exchange.expire()
            case _:
                pass

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
        self.exchange_ended(close=self._must_close())

    def _must_close(self) -> bool:
        head = self._reader.head
        return head is None or not head.keep_alive or not self._reader.complete or self._server.draining

    def _answer(self, status: int, headers: tuple[Header, ...], body: bytes) -> None:
        head = self._reader.head
        if self._must_close():
            headers = (*headers, (b"connection", b"close"))
        elif head is not None and not head.minor:
            headers = (*headers, (b"connection", b"keep-alive"))
        with_body = head is None or head.method != b"HEAD"
        self.write(write_response(status, self._server.date, headers, body, with_body=with_body))

    def _answer_error(self, status: int, message: str) -> None:
        headers = (JSON, RETRY_AFTER) if status == 503 else (JSON,)
        self._answer(status, headers, error_body(status, message))

    def _refuse(self, error: RequestError) -> None:
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
        self.write(write_response(error.status, self._server.date, headers, body))
        self._linger()

    def _leave(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self.state is TUNNEL:
            exchange.end_tunnel()
        else:
            exchange.cancel()
