"""A client's connection: passes its requests on to services, one after the other."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pywatt.http.headers import Headers, is_forwarded
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import ServerConnection
from pywatt.http.server.errors import ALLOW, RETRY_AFTER, error_body, route_not_found
from pywatt.http.server.state import TUNNEL, WAITING
from pywatt.http.server.writer import JSON
from pywatt.http.target import ASTERISK
from pywatt_services.gateway.client_address import ClientAddress, client_address
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.routes import has_prefix

if TYPE_CHECKING:
    from pywatt_services.gateway.server import GatewayServer

WELCOME = b'{"message":"Welcome to pywatt! This gateway has no route for /."}'


class GatewayConnection(ServerConnection["GatewayServer"]):
    """The gateway's side of one connection."""

    __slots__ = ("_client_address", "_exchange")

    def __init__(self, server: GatewayServer) -> None:
        super().__init__(server, RequestReader(server.limits.head, escaped_slashes=server.escaped_slashes))
        self._exchange: ProxyExchange | None = None
        self._client_address = ClientAddress(b"", False)

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the client's address, and whether it is trusted."""
        super().connection_made(transport)
        self._client_address = client_address(transport, self._server.trust_proxy)
        if not self._client_address.trusted:
            server = self._server
            self._reader = RequestReader(
                server.limits.head, dropped=is_forwarded, escaped_slashes=server.escaped_slashes
            )

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
        self._next()

    def exchange_answered(self, status: int, headers: Headers, body: bytes) -> None:
        """Respond, then go on; a client that is still sending the body has to open another connection."""
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        keep = self._keeps_alive()
        self._write_response(status, headers, body, keep=keep)
        self.exchange_ended(close=not keep)

    def exchange_failed(self, status: int, message: str, headers: Headers = ()) -> None:
        """Respond with an error, then go on."""
        own = (JSON, RETRY_AFTER) if status == 503 else (JSON,)
        self.exchange_answered(status, (*own, *headers), error_body(status, message))

    def exchange_upgraded(self) -> None:
        """Begin the tunnel with the bytes behind the handshake."""
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

    @property
    def route_id(self) -> str | None:
        """The id of the route that serves the current request; None without one, and in a tunnel."""
        return None if self._exchange is None or self.state is TUNNEL else self._exchange.route_id

    def close_websocket(self) -> None:
        """End a tunnel."""
        if self._exchange is not None:
            self._exchange.close_websocket()

    def end_events(self) -> None:
        """End a stream of server-sent events."""
        if self._exchange is not None:
            self._exchange.end_events()

    # Inside.

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        """Pass a request on to the service of its route, or respond to it."""
        server = self._server
        path, base_path = head.path, b""
        if server.base_path and has_prefix(path, server.base_path):
            path, base_path = path[len(server.base_path) :] or b"/", server.base_path
        routes = server.routes
        if routes.answers_preflights:
            route = routes.of_preflight(head, path) or routes.find(head.method, head.authority, path)
        else:
            route = routes.find(head.method, head.authority, path)
        if route is not None:
            open_exchange = server.exchange if route.own_exchange is None else server.own_exchanges[route.own_exchange]
            exchange = open_exchange(self, server, head, route, base_path)
            self._exchange = exchange
            exchange.start(path, self._client_address, body, ended)
            return
        if server.metrics is not None:
            server.metrics.unrouted.add()
        keep = self._keeps_alive()
        status, headers, answer = 200, (JSON,), WELCOME
        if path == ASTERISK:
            status, headers, answer = 204, (ALLOW,), b""
        elif path != b"/" or head.method not in (b"GET", b"HEAD"):
            status, answer = 404, route_not_found(head.method.decode(), head.target.decode("utf-8", "replace"))
        if server.record_own_response is not None:
            server.record_own_response(head, self._client_address, status)
        self._write_response(status, headers, answer, keep=keep)
        self.exchange_ended(close=not keep)

    def _on_body(self, body: bytes, ended: bool) -> None:
        if self._exchange is not None:
            self._exchange.on_request_body(body, ended)

    def _pass_on(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.on_client_raw(data)

    def _check_request_time(self, now: float) -> None:
        """Also give up on a service that does not respond in time."""
        exchange = self._exchange
        if self.state is not WAITING:
            super()._check_request_time(now)
        elif now - self._since > self._server.limits.response_timeout and exchange and not exchange.responding:
            exchange.expire()

    @property
    def _responding(self) -> bool:
        return self._exchange is not None and self._exchange.responding

    def _error_response(self, error: RequestError) -> tuple[Headers, bytes]:
        headers, body = super()._error_response(error)
        if error.status == 426:
            headers = (*headers, (b"sec-websocket-version", b"13"), (b"upgrade", b"websocket"))
        return headers, body

    def _leave(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is None:
            return
        if self.state is TUNNEL:
            exchange.end_tunnel()
        else:
            exchange.cancel()
