"""Passes one request on to a service, and its response back to the client."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from pywatt.errors import BadResponse, CallTimeout, MeshError, ServiceUnavailable
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import LAST_CHUNK, Headers, chunk
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt.http.server.writer import CONTINUE, write_response_head
from pywatt.http.websocket import accepts, handshake_key
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.forwarding import UPGRADE, last_value, outer_prefix, write_request_head
from pywatt_services.gateway.gateway_context import Downstream, GatewayContext
from pywatt_services.gateway.proxy_state import AWAITING, CONNECTING, ENDED, RESPONDING, TUNNEL, transition
from pywatt_services.gateway.response_addresses import Addresses
from pywatt_services.gateway.retry import may_retry
from pywatt_services.gateway.routes import Route
from pywatt_services.gateway.tunnel.tunnel import Tunnel

MAX_PENDING = 64 * 1024
"""Bytes of a request's body that wait for a connection to the service before the client has to wait too."""

logger = logging.getLogger("pywatt.gateway")


class ProxyExchange:
    """Receives a request from a client piece by piece, and its response from a service."""

    __slots__ = (
        "_base_path",
        "_body_length",
        "_chunked",
        "_close",
        "_connection",
        "_context",
        "_dialing",
        "_downstream",
        "_downstream_is_slow",
        "_head",
        "_key",
        "_pending",
        "_pending_size",
        "_request",
        "_request_ended",
        "_response",
        "_retried",
        "_route",
        "_trusted",
        "_tunnel",
        "_upstream_paused",
        "state",
    )

    def __init__(
        self, downstream: Downstream, context: GatewayContext, request: RequestHead, route: Route, base_path: bytes
    ) -> None:
        """Raises RequestError when the request asks for a WebSocket in a wrong way."""
        self._downstream = downstream
        self._context = context
        self._request = request
        self._route = route
        self._base_path = base_path
        self._trusted = False
        self._key = handshake_key(request.headers) if request.websocket else b""
        self._head = b""
        self._body_length: int | None = 0
        self._pending: list[bytes] | None = None
        """Pieces of the body that came while there was no connection."""
        self._request_ended = False
        self._connection: ClientConnection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._retried = False
        self._downstream_is_slow = False
        self._upstream_paused = False
        self.state = CONNECTING

    @property
    def route_id(self) -> str:
        """The id of the route."""
        return self._route.id

    @property
    def responding(self) -> bool:
        """True when the response has begun, and is not complete."""
        return self.state is RESPONDING or self.state is TUNNEL

    # From the client.

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on. `body`: its first piece. `ended`: the body is complete."""
        request = self._request
        self._request_ended = ended
        self._body_length = len(body) if ended else None if request.chunked else request.content_length
        if client.trusted:
            self._trusted = True
            self._base_path = outer_prefix(request) + self._base_path
        self._head = write_request_head(request, self._route, path, self._base_path, client, self._body_length)
        if body:
            self._pending = [self._framed(body)]
            self._pending_size = len(body)
        connection = self._context.upstreams.take(self._route.destination)
        if connection is not None:
            self._opened(connection)
        else:
            self._dial()

    def on_request_body(self, body: bytes, ended: bool) -> None:
        """Send more of the body on."""
        self._request_ended = ended
        data = self._framed(body) if body else b""
        if ended and self._body_length is None:
            data += LAST_CHUNK
        if self._connection is not None:
            self._connection.write(data, ended=ended)
        elif data:
            if self._pending is None:
                self._pending = []
                self._pending_size = 0
            self._pending.append(data)
            self._pending_size += len(data)
            if self._pending_size > MAX_PENDING and not ended:
                self._downstream.pause_reading()

    def on_client_raw(self, data: bytes) -> None:
        """Pass bytes of a tunnel on."""
        if self._connection is not None:
            self._connection.write(data, ended=False)

    def on_client_writable(self, writable: bool) -> None:
        """Make the service wait for a slow client."""
        self._downstream_is_slow = not writable
        self._steer()

    def cancel(self) -> None:
        """Give up: the client is gone, or was responded to."""
        self._let_go()

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Respond in place of the service."""
        self._let_go()
        self._downstream.exchange_answered(status, headers, body)

    def _let_go(self) -> None:
        """Leave the service."""
        if self.state is ENDED:
            return
        self.state = transition(self.state, ENDED)
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def end_tunnel(self) -> None:
        """Close the service's side of a tunnel once everything was sent."""
        self.state = transition(self.state, ENDED)
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish()

    def close_websocket(self) -> None:
        """Tell both ends of a tunnel that it ends: the client now, the service by the client's close frame."""
        if self.state is TUNNEL:
            self._tunnel.close()

    def end_events(self) -> None:
        """End a stream of server-sent events as the service would."""
        if self.state is not RESPONDING or not self._response.is_event_stream:
            return
        self._let_go()
        if self._chunked:
            self._downstream.write(LAST_CHUNK)
        self._downstream.exchange_ended(close=True)

    def expire(self) -> None:
        """Give up on a service that does not respond."""
        self._let_go()
        self._fail(CallTimeout(f"the service {self._route.id!r} did not answer in time"))

    # From the mesh client.

    def on_informational(self, head: ResponseHead) -> None:
        """Pass a 1xx on, except the 100 that this gateway gives itself."""
        if self._request.minor == 1 and head.status != 100:
            self._downstream.write(write_response_head(head.status, self._public_headers(head)))

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, with the part of the body that came with it."""
        if head.status == SWITCHING_PROTOCOLS:
            self._upgrade(head)
            return
        request, status, length = self._request, head.status, head.content_length
        close = (
            not request.keep_alive or request.websocket or self._context.draining or (ended and not self._request_ended)
        )
        framing, chunked = b"", False
        if request.method == b"HEAD" or status == 304:
            if length is not None and status != 204:  # which has none (RFC 9110 8.6)
                framing = b"content-length: %d\r\n" % length
        elif status != 204:
            if length is None and ended:
                length = len(body)
            if length is not None:
                framing = b"content-length: %d\r\n" % length
            elif request.minor == 1:
                framing = b"transfer-encoding: chunked\r\n"
                chunked = True
            else:
                close = True
        if ended:
            self.state = transition(self.state, ENDED)
            self._connection = None  # it may serve somebody else already
        else:
            self.state = transition(self.state, RESPONDING)
            self._response, self._chunked, self._close = head, chunked, close
        line = b"connection: close\r\n" if close else b"" if request.minor else b"connection: keep-alive\r\n"
        date = b"" if head.dated else self._context.date
        headers = self._public_headers(head) if head.addressed else head.headers
        data = write_response_head(status, headers, date, framing, line)
        if body:
            data += chunk(body) if chunked else body
        downstream = self._downstream
        downstream.write(data)
        if ended:
            downstream.exchange_ended(close=close)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        if ended:
            self.state = transition(self.state, ENDED)
            self._connection = None
        data = body
        if self._chunked:
            data = chunk(body) if body else b""
            if ended:
                data += LAST_CHUNK
        if data:
            self._downstream.write(data)
        if ended:
            self._downstream.exchange_ended(close=self._close or not self._request_ended)

    def on_raw(self, data: bytes) -> None:
        """Pass bytes of a tunnel on; of many small frames, some in each turn of the event loop."""
        tunnel = self._tunnel
        if tunnel.rest:
            tunnel.rest += data
            return
        tunnel.pass_on(data)
        if tunnel.rest:
            self._context.fair_queue.add(self)
        self._steer()

    def read_held(self) -> None:
        """Pass more frames on."""
        if self.state is TUNNEL:
            rest, self._tunnel.rest = self._tunnel.rest, b""
            self.on_raw(rest)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Try again where nothing can have happened, else end the response or respond with an error."""
        self._connection = None
        state = self.state
        if state is TUNNEL:
            self._tunnel.pass_rest_on()
            self.state = transition(state, ENDED)
            self._downstream.tunnel_ended()
        elif state is RESPONDING:
            logger.warning("%s: %s", self._route.id, error.message)
            self._downstream.abort()
        elif may_retry(self._request.method, body_length=self._body_length, retriable=retriable, retried=self._retried):
            self._retried = True
            self.state = transition(state, CONNECTING)
            self._dial()
        else:
            self._end_with(error)

    def on_writable(self, writable: bool) -> None:
        """Make the client wait for a slow service."""
        if writable:
            self._downstream.resume_reading()
        else:
            self._downstream.pause_reading()

    def _public_headers(self, head: ResponseHead) -> Headers:
        """Return the headers of a response in their public form."""
        if not head.addressed or not self._route.rewrite_location:
            return head.headers
        request = self._request
        authority = (self._trusted and last_value(request, b"x-forwarded-host")) or request.authority
        return Addresses(self._route, self._context.routes, self._base_path, authority).headers(head.headers)

    def _steer(self) -> None:
        """Resume or pause reading from the service."""
        wait = self._downstream_is_slow or (self.state is TUNNEL and bool(self._tunnel.rest))
        if self._connection is None or wait is self._upstream_paused:
            return
        self._upstream_paused = wait
        if wait:
            self._connection.pause_reading()
        else:
            self._connection.resume_reading()

    def _framed(self, body: bytes) -> bytes:
        return chunk(body) if self._body_length is None else body

    def _dial(self) -> None:
        self._dialing = self._connect(self._opened, self._end_with)

    def _connect(
        self, opened: Callable[[ClientConnection], None], failed: Callable[[MeshError], None]
    ) -> asyncio.Task[None]:
        return self._context.upstreams.dial(self._route.destination, opened, failed)

    def _opened(self, connection: ClientConnection) -> None:
        self.state = transition(self.state, AWAITING)
        self._dialing = None
        self._connection = connection
        self._upstream_paused = False
        request = self._request
        data = self._head
        pending = self._pending
        if pending is not None:
            data = b"".join((data, *pending))
            self._pending = None
            self._downstream.resume_reading()
        connection.send(
            self,
            data,
            ended=self._request_ended,
            to_head=request.method == b"HEAD",
            upgradable=request.websocket,
        )
        if request.expects_continue and pending is None and not self._request_ended:
            self._downstream.write(CONTINUE)

    def _upgrade(self, head: ResponseHead) -> None:
        if head.upgrade != (b"websocket",) or not accepts(self._key, head.headers):
            self._let_go()
            self._fail(BadResponse(f"the service {self._route.id!r} answered the WebSocket handshake wrongly"))
            return
        self.state = transition(self.state, TUNNEL)
        self._tunnel = Tunnel(self._downstream.write)
        self._downstream.write(write_response_head(head.status, self._public_headers(head), UPGRADE))
        self._downstream.exchange_upgraded()

    def _end_with(self, error: MeshError) -> None:
        self.state = transition(self.state, ENDED)
        self._dialing = None
        self._fail(error)

    def _fail(self, error: MeshError) -> None:
        logger.warning("%s: %s", self._route.id, error.message)
        self._downstream.exchange_failed(failure_status(error), error.message, self._own_headers())

    def _retrying(self, cause: str) -> None:
        """Note that the request is sent again by the rules of its route."""

    def _own_headers(self) -> Headers:
        """Return headers for the responses that the gateway gives itself."""
        return ()


def failure_status(error: MeshError) -> int:
    """Return the status of the response for a service that has given none."""
    return 504 if isinstance(error, CallTimeout) else 503 if isinstance(error, ServiceUnavailable) else 502


OpenExchange = Callable[[Downstream, GatewayContext, RequestHead, Route, bytes], ProxyExchange]
