"""One request on its way to a service, and the response on its way back."""

from __future__ import annotations

import asyncio
import logging

from pywatt.errors import BadResponse, CallTimeout, MeshError, ServiceUnavailable
from pywatt.http.client.connection import Connection
from pywatt.http.headers import LAST_CHUNK, Headers, chunk
from pywatt.http.methods import IDEMPOTENT
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt.http.server.writer import CONTINUE, write_response_head
from pywatt.http.websocket import accepts, handshake_key
from pywatt_services.gateway.addresses import Addresses
from pywatt_services.gateway.forwarding import (
    UPGRADE,
    last_value,
    outer_prefix,
    write_request_head,
)
from pywatt_services.gateway.parties import Client, Site
from pywatt_services.gateway.peer import Peer
from pywatt_services.gateway.routes import Route
from pywatt_services.gateway.tunnel import Tunnel

MAX_PENDING = 64 * 1024
"""Bytes of a request's body that wait for a connection to the service before the client has to wait too."""
EVENT_STREAM = b"text/event-stream"

logger = logging.getLogger("pywatt.gateway")


class Exchange:
    """Receives a request from a client piece by piece, and its response from a service."""

    __slots__ = (
        "_base_path",
        "_body_length",
        "_chunked",
        "_client",
        "_client_is_slow",
        "_close",
        "_connection",
        "_dialing",
        "_head",
        "_key",
        "_pending",
        "_pending_size",
        "_request",
        "_request_ended",
        "_response",
        "_rest",
        "_retried",
        "_route",
        "_service_waits",
        "_site",
        "_trusted",
        "_tunnel",
        "responding",
    )

    def __init__(self, client: Client, site: Site, request: RequestHead, route: Route, base_path: bytes) -> None:
        """Raises RequestError when the request asks for a WebSocket in a wrong way."""
        self._client = client
        self._site = site
        self._request = request
        self._route = route
        self._base_path = base_path
        self._trusted = False
        self._key = handshake_key(request.headers) if request.websocket else b""
        self._head = b""
        self._body_length: int | None = 0
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._request_ended = False
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._retried = False
        self._chunked = False
        self._close = False
        self._response: ResponseHead | None = None
        """The head of a response whose body goes on."""
        self._tunnel: Tunnel | None = None
        self._rest = b""
        """What the service has sent through the tunnel, and is not passed on yet."""
        self._client_is_slow = False
        self._service_waits = False
        self.responding = False
        """Whether the response has begun."""

    # From the client.

    def start(self, path: bytes, peer: Peer, body: bytes, ended: bool) -> None:
        """Send the request on. `body`: what of it has come. `ended`: that was all."""
        request = self._request
        self._request_ended = ended
        self._body_length = len(body) if ended else None if request.chunked else request.content_length
        if peer.trusted:
            self._trusted = True
            self._base_path = outer_prefix(request) + self._base_path
        self._head = write_request_head(request, self._route, path, self._base_path, peer, self._body_length)
        if body:
            self._pending.append(self._framed(body))
            self._pending_size = len(body)
        connection = self._site.upstreams.take(self._route.destination)
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
            self._pending.append(data)
            self._pending_size += len(data)
            if self._pending_size > MAX_PENDING and not ended:
                self._client.pause_reading()

    def on_client_raw(self, data: bytes) -> None:
        """Pass bytes of a tunnel on."""
        if self._connection is not None:
            self._connection.write(data, ended=False)

    def on_client_writable(self, writable: bool) -> None:
        """Make the service wait for a slow client."""
        self._client_is_slow = not writable
        self._steer()

    def cancel(self) -> None:
        """Give up: the client is gone, or has been answered."""
        if self._dialing is not None:
            self._dialing.cancel()
            self._dialing = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()

    def end_tunnel(self) -> None:
        """Close the service's side of a tunnel once everything was sent."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish()

    def close_websocket(self) -> None:
        """Tell both ends of a tunnel that it ends: the client now, the service by the client's answer."""
        if self._tunnel is not None:
            self._tunnel.close()

    def end_events(self) -> None:
        """End a stream of server-sent events as the service would."""
        head = self._response
        if head is None or head.content_length is not None or not _is_event_stream(head):
            return
        self.cancel()
        if self._chunked:
            self._client.write(LAST_CHUNK)
        self._client.exchange_ended(close=True)

    def expire(self) -> None:
        """Give up on a service that does not answer."""
        self.cancel()
        self._fail(CallTimeout(f"the service {self._route.id!r} did not answer in time"))

    # From the mesh client.

    def on_informational(self, head: ResponseHead) -> None:
        """Pass a 1xx on, except the 100 that this gateway gives itself."""
        if self._request.minor == 1 and head.status != 100:
            self._client.write(write_response_head(head.status, self._public_headers(head)))

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, with what of the body came with it."""
        if head.status == SWITCHING_PROTOCOLS:
            self._upgrade(head)
            return
        self.responding = True
        if ended:
            self._connection = None  # it may serve somebody else already
        else:
            self._response = head
        client, request, status = self._client, self._request, head.status
        self._close = (
            not request.keep_alive or request.websocket or self._site.draining or (ended and not self._request_ended)
        )
        length = head.content_length
        framing = b""
        if request.method == b"HEAD" or status == 304:
            if length is not None:
                framing = b"content-length: %d\r\n" % length
        elif status != 204:
            if length is None and ended:
                length = len(body)
            if length is not None:
                framing = b"content-length: %d\r\n" % length
            elif request.minor == 1:
                framing = b"transfer-encoding: chunked\r\n"
                self._chunked = True
            else:
                self._close = True
        line = b"connection: close\r\n" if self._close else b"" if request.minor else b"connection: keep-alive\r\n"
        date = b"" if head.dated else self._site.date
        headers = self._public_headers(head) if head.addressed else head.headers
        data = write_response_head(status, headers, date, framing, line)
        if body:
            data += chunk(body) if self._chunked else body
        client.write(data)
        if ended:
            client.exchange_ended(close=self._close)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        if ended:
            self._connection = None
        data = body
        if self._chunked:
            data = chunk(body) if body else b""
            if ended:
                data += LAST_CHUNK
        if data:
            self._client.write(data)
        if ended:
            self._client.exchange_ended(close=self._close or not self._request_ended)

    def on_raw(self, data: bytes) -> None:
        """Pass bytes of a tunnel on; of many small frames, some in each turn of the event loop."""
        if self._tunnel is None:
            return
        if self._rest:
            self._rest += data
            return
        self._rest = self._tunnel.pass_on(data)
        if self._rest:
            self._site.turns.add(self)
        self._steer()

    def take_turn(self) -> None:
        """Pass more frames on."""
        rest, self._rest = self._rest, b""
        if self._connection is not None:
            self.on_raw(rest)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Try again where nothing can have happened, else tell the client."""
        self._connection = None
        if self._tunnel is not None:
            while self._rest:
                self._rest = self._tunnel.pass_on(self._rest)
            self._client.tunnel_ended()
        elif self.responding:
            logger.warning("%s: %s", self._route.id, error.message)
            self._client.abort()
        elif retriable and not self._retried and self._body_length == 0 and self._request.method in IDEMPOTENT:
            self._retried = True
            self._dial()
        else:
            self._fail(error)

    def on_writable(self, writable: bool) -> None:
        """Make the client wait for a slow service."""
        if writable:
            self._client.resume_reading()
        else:
            self._client.pause_reading()

    def _public_headers(self, head: ResponseHead) -> Headers:
        """Return the headers of a response as the client has to see them."""
        if not head.addressed or not self._route.rewrite_location:
            return head.headers
        request = self._request
        authority = (self._trusted and last_value(request, b"x-forwarded-host")) or request.authority
        return Addresses(self._route, self._site.routes, self._base_path, authority).headers(head.headers)

    def _steer(self) -> None:
        """Have the service send on, or wait."""
        wait = self._client_is_slow or bool(self._rest)
        if self._connection is None or wait is self._service_waits:
            return
        self._service_waits = wait
        if wait:
            self._connection.pause_reading()
        else:
            self._connection.resume_reading()

    def _framed(self, body: bytes) -> bytes:
        return chunk(body) if self._body_length is None else body

    def _dial(self) -> None:
        self._dialing = self._site.upstreams.dial(self._route.destination, self._opened, self._fail)

    def _opened(self, connection: Connection) -> None:
        self._dialing = None
        self._connection = connection
        self._service_waits = False
        request = self._request
        data = self._head
        had_body = bool(self._pending)
        if had_body:
            data = b"".join((data, *self._pending))
            self._pending.clear()
            self._client.resume_reading()
        connection.send(
            self,
            data,
            ended=self._request_ended,
            to_head=request.method == b"HEAD",
            upgradable=request.websocket,
        )
        if request.expects_continue and not had_body and not self._request_ended:
            self._client.write(CONTINUE)

    def _upgrade(self, head: ResponseHead) -> None:
        if head.upgrade != (b"websocket",) or not accepts(self._key, head.headers):
            self.cancel()
            self._fail(BadResponse(f"the service {self._route.id!r} answered the WebSocket handshake wrongly"))
            return
        self.responding = True
        self._tunnel = Tunnel(self._client.write)
        self._client.write(write_response_head(head.status, self._public_headers(head), UPGRADE))
        self._client.exchange_upgraded()

    def _fail(self, error: MeshError) -> None:
        self._dialing = None
        status = 504 if isinstance(error, CallTimeout) else 503 if isinstance(error, ServiceUnavailable) else 502
        logger.warning("%s: %s", self._route.id, error.message)
        self._client.exchange_failed(status, error.message)


def _is_event_stream(head: ResponseHead) -> bool:
    return any(
        name.lower() == b"content-type" and value.lower().startswith(EVENT_STREAM) for name, value in head.headers
    )
