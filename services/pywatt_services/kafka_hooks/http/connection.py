"""The server's side of one client's connection: requests in, one after the other, and their answers out.

No ASGI here: a task, an event and three coroutines per request would cost more than publishing a record does.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from typing import TYPE_CHECKING

from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import CLOSED, NEVER, READING, WAITING, ServerConnection
from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import CONTINUE, JSON, write_response_head
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import NEVER_SIZED, HttpResponse, failed, too_large

if TYPE_CHECKING:
    from pywatt_services.kafka_hooks.http.server import HooksServer

_CREDENTIALS = struct.Struct("3i")
"""pid, uid and gid of a peer, as the kernel gives them (`man 7 unix`)."""
CLOSE = b"connection: close\r\n"
KEEP_ALIVE = b"connection: keep-alive\r\n"

logger = logging.getLogger("pywatt.kafka_hooks")


class HttpConnection(ServerConnection["HooksServer"]):
    """One client."""

    __slots__ = ("_exchange", "_head_seen", "_pieces", "_public", "_size")

    def __init__(self, server: HooksServer, *, public: bool) -> None:
        """`public`: whether the client comes from outside, where answers carry a date (RFC 9110 section 6.6.1)."""
        super().__init__(server, RequestReader(server.limits.head))
        self._public = public
        self._exchange: HooksExchange | None = None
        self._head_seen = False
        self._pieces: list[bytes] = []
        self._size = 0

    # For the exchange.

    @property
    def is_same_user(self) -> bool:
        """Whether the client is a process of this user's that came over a unix socket."""
        sock: socket.socket | None = None
        if self._transport is not None:
            sock = self._transport.get_extra_info("socket")
        if sock is None or sock.family != socket.AF_UNIX:
            return False
        _, uid, _ = _CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return bool(uid == os.geteuid())

    def respond(self, answer: HttpResponse) -> None:
        """Send the answer to the current request, then go on with the next."""
        self._exchange = None
        head = self._reader.head
        if self.state is CLOSED or head is None:
            return
        keep = head.keep_alive and not self._server.draining
        self._write(answer, head, keep=keep)
        self._head_seen = False
        if keep:
            self._next()
        else:
            self._finish()

    # Inside.

    def _proceed(self) -> None:
        """Keep what has come of a request, and have it answered once it is complete."""
        if not self._begun:
            self._begun = True
            self._since = self._server.now
        self._take_body()
        if self._reader.complete and self._reader.head is not None:
            self._begin(self._reader.head)

    def _look_at_time(self, passed: float) -> None:
        limits = self._server.limits
        if self.state is READING and self._blocked_since == NEVER:
            if not self._reader.started:
                if passed > limits.keep_alive:
                    self.close()
            elif passed > limits.request_timeout:
                self._refuse(RequestError(408, "the request did not come in time"))

    def _leave(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abandon()

    def _take_body(self) -> None:
        """Keep what has come of the body. Raises RequestError when it is too large."""
        head = self._reader.head
        if head is None:
            return
        if not self._head_seen:
            self._head_seen = True
            if head.content_length > self._server.body_limit and self._is_too_large(head, head.content_length):
                raise RequestError(413, "the body is too large")
            if head.expects_continue and not self._reader.complete:
                self.write(CONTINUE)
        piece = self._reader.take_body()
        if piece:
            self._pieces.append(piece)
            self._size += len(piece)
            if self._size > self._server.body_limit and self._is_too_large(head, self._size):
                raise RequestError(413, "the body is too large")

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
        self.state = WAITING
        exchange = self._exchange = HooksExchange(self)
        try:
            self._server.handler.handle(request, exchange)
        except Exception:
            # One request that trips over a mistake of ours must not take the others down with it.
            logger.exception("%s %s failed", request.method, request.path)
            exchange.answer(failed())

    def _write(self, answer: HttpResponse, head: RequestHead | None, *, keep: bool) -> None:
        date = self._server.date if self._public else b""
        connection = CLOSE if not keep else b"" if head is None or head.minor else KEEP_ALIVE
        if answer.status in NEVER_SIZED:
            data = write_response_head(answer.status, answer.headers, date, connection)
        else:
            length = b"content-length: %d\r\n" % len(answer.body)
            data = write_response_head(answer.status, answer.headers, date, connection, length)
            if head is None or head.method != b"HEAD":
                data += answer.body
        self.write(data)

    def _refuse(self, error: RequestError) -> None:
        answer = (
            too_large()
            if error.status == 413
            else HttpResponse(error.status, (JSON,), error_body(error.status, error.message))
        )
        self._write(answer, None, keep=False)
        self._pieces, self._size = [], 0
        self._linger()
