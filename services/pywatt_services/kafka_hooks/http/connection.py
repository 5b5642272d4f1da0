"""The server's side of a client's connection: reads whole requests, one after the other, and writes their responses.

No ASGI here: a task, an event and three coroutines per request would cost more than publishing a record does.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from typing import TYPE_CHECKING

from pywatt.http.headers import Headers
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import NEVER, ServerConnection
from pywatt.http.server.state import CLOSED, READING
from pywatt.http.server.writer import CONTINUE
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse, failed, too_large

if TYPE_CHECKING:
    from pywatt_services.kafka_hooks.http.server import HooksServer

_CREDENTIALS = struct.Struct("3i")
"""pid, uid and gid of a peer, as the kernel gives them (`man 7 unix`)."""

logger = logging.getLogger("pywatt.kafka_hooks")


class HooksConnection(ServerConnection["HooksServer"]):
    """A client's connection: reads requests whole, and writes their responses."""

    __slots__ = ("_exchange", "_pieces", "_public", "_size")

    def __init__(self, server: HooksServer, *, public: bool) -> None:
        """`public`: True if the client comes from outside, where responses carry a date."""
        super().__init__(server, RequestReader(server.limits.head), dated=public)
        self._public = public
        self._exchange: HooksExchange | None = None
        self._pieces: list[bytes] = []
        self._size = 0

    # For the exchange.

    @property
    def is_same_user(self) -> bool:
        """True when the client is a process of this user's that came over a unix socket."""
        sock: socket.socket | None = None
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
        if sock is None or sock.family != socket.AF_UNIX:
            return False
        _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return bool(uid == os.geteuid())

    def respond(self, response: HttpResponse) -> None:
        """Send the response to the current request, then go on with the next."""
        self._exchange = None
        if self.state is CLOSED:
            return
        keep = self._keeps_alive()
        self._write_response(response.status, response.headers, response.body, keep=keep)
        if keep:
            self._next()
        else:
            self._finish()

    # Inside.

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        """Serve a request that came whole; else wait for the rest of its body. Raises RequestError."""
        if head.content_length > self._server.body_limit and self._is_too_large(head, head.content_length):
            raise RequestError(413, "the body is too large")
        if ended and len(body) <= self._server.body_limit:
            self._begin(head, body)
            return
        if head.expects_continue and not ended:
            self.write(CONTINUE)
        self._on_body(body, ended)

    def _on_body(self, body: bytes, ended: bool) -> None:
        """Keep a piece of the body, and serve the request once it is complete. Raises RequestError."""
        head = self._reader.head
        assert head is not None
        self._pieces.append(body)
        self._size += len(body)
        if self._size > self._server.body_limit and self._is_too_large(head, self._size):
            raise RequestError(413, "the body is too large")
        if ended:
            body = b"".join(self._pieces)
            self._pieces, self._size = [], 0
            self._begin(head, body)

    def _check_request_time(self, now: float) -> None:
        """Refuse a request that takes too long to come."""
        late = now - self._begun > self._server.limits.request_timeout
        if late and self.state is READING and self._blocked_since == NEVER:
            self._refuse(RequestError(408, "the request did not come in time"))

    def _leave(self) -> None:
        self._pieces, self._size = [], 0
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()

    def _error_response(self, error: RequestError) -> tuple[Headers, bytes]:
        if error.status != 413:
            return super()._error_response(error)
        response = too_large()
        return response.headers, response.body

    def _is_too_large(self, head: RequestHead, size: int) -> bool:
        """Tell whether a body over the limit is too large: a request of our own workers may hold a whole one."""
        more = 0 if self._public else self._server.more_inside.get(head.path.decode("latin-1"), 0)
        return size > self._server.body_limit + more

    def _begin(self, head: RequestHead, body: bytes) -> None:
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
        exchange = self._exchange = HooksExchange(self)
        try:
            self._server.handler.handle(request, exchange)
        except Exception:
            # One request that trips over a mistake of ours must not take the others down with it.
            logger.exception("%s %s failed", request.method, request.path)
            exchange.respond(failed())
