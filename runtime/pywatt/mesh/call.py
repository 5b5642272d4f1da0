"""One whole call over a connection: the request in one piece, the response in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from pywatt.errors import BadResponse, MeshError
from pywatt.http.headers import HOP_BY_HOP, Headers, check_header, has_bad_value, is_token
from pywatt.http.response_reader import ResponseHead
from pywatt.mesh.address import Location
from pywatt.mesh.connection import Connection

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Methods that may be repeated (RFC 9110 9.2.2)."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OURS = HOP_BY_HOP | {b"host", b"content-length", b"expect"}


@dataclass(slots=True)
class Response:
    """A response that came in whole."""

    status: int
    headers: Headers
    """Names in lower case, without those of the connection and of framing."""
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first field with that (lower-case) name."""
        return next((value for each, value in self.headers if each == name), None)


def write_request(method: str, location: Location, headers: Headers, body: bytes) -> bytes:
    """Return a whole request. Raises ValueError for a method or header that cannot be sent."""
    start = _verb(method) + location.after_method
    if has_bad_value([value for _, value in headers]):
        for name, value in headers:
            check_header(name, value)  # raises, and says which one
    lines = [line + value for name, value in headers if (line := _line_start(name)) is not None]
    if body or method in _WITH_BODY:
        lines.append(b"content-length: %d" % len(body))
    lines += (b"", body)
    return start + b"\r\n".join(lines)


@lru_cache(maxsize=64)
def _verb(method: str) -> bytes:
    verb = method.encode()
    if not is_token(verb):
        raise ValueError(f"not a method: {method!r}")
    return verb


@lru_cache(maxsize=1024)
def _line_start(name: bytes) -> bytes | None:
    """Return what the line of a header begins with, None when the client writes its own. Raises ValueError."""
    check_header(name, b"")
    return None if name.lower() in _OURS else name + b": "


class Collector:
    """Receives one response into memory."""

    __slots__ = ("_connection", "_done", "_head", "_limit", "_pieces", "_size", "retriable")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes that the body may have."""
        self.retriable = False
        """After ConnectionLost: whether the server cannot have begun with the request."""
        self._limit = limit
        self._done: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._head: ResponseHead | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._connection: Connection | None = None

    async def run(self, connection: Connection, method: str, data: bytes) -> Response:
        """Send the request and wait for the response. Raises MeshError, and TimeoutError after `expire`."""
        try:
            return await self.start(connection, method, data)
        finally:
            self.end()

    def start(self, connection: Connection, method: str, data: bytes) -> asyncio.Future[Response]:
        """Send the request; return what to wait for. To be followed by `end`."""
        self._connection = connection
        connection.send(self, data, ended=True, to_head=method == "HEAD")
        return self._done

    def end(self) -> None:
        """Break off what is not complete."""
        if self._connection is not None:
            self._connection.abandon()

    def on_informational(self, head: ResponseHead) -> None:
        """Ignore it."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Keep the head, or the whole response."""
        if ended and len(body) <= self._limit:
            self._end(head, body)
        else:
            self._head = head
            self.on_body(body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Keep the body; with its end the call is over."""
        self._size += len(body)
        if self._size > self._limit:
            self._fail(BadResponse(f"the response is larger than {self._limit} bytes"))
            return
        self._pieces.append(body)
        if ended and self._head is not None:
            self._end(self._head, b"".join(self._pieces))

    def on_raw(self, data: bytes) -> None:
        """Never called: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """The call is over."""
        self._connection = None
        self.retriable = retriable
        self._fail(error)

    def on_writable(self, writable: bool) -> None:
        """Nothing to do: the request was written in one piece."""

    def expire(self) -> None:
        """Give up: `run` raises TimeoutError."""
        if not self._done.done():
            self._done.set_exception(TimeoutError())

    def _end(self, head: ResponseHead, body: bytes) -> None:
        self._connection = None
        if not self._done.done():
            self._done.set_result(Response(head.status, head.lower_headers(), body))

    def _fail(self, error: MeshError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
