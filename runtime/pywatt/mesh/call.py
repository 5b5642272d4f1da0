"""One whole call over a connection: the request in one piece, the response in memory."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from pywatt.errors import BadResponse, MeshError
from pywatt.http.headers import HOP_BY_HOP, Header, Headers, check_header, has_bad_value, is_token
from pywatt.http.response_reader import ResponseHead
from pywatt.mesh.address import Location
from pywatt.mesh.connection import Connection

IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"})
"""Methods that may be repeated (RFC 9110 9.2.2)."""
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_OURS = HOP_BY_HOP | {b"host", b"content-length", b"expect"}


@dataclass(frozen=True, slots=True)
class Response:
    """A response that came in whole."""

    status: int
    headers: list[Header]
    """Names in lower case, without those of the connection and of framing."""
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first field with that (lower-case) name."""
        return next((value for each, value in self.headers if each == name), None)


def write_request(method: str, location: Location, headers: Headers, body: bytes) -> bytes:
    """Return a whole request. Raises ValueError for a method or header that cannot be sent."""
    verb = method.encode()
    if not is_token(verb):
        raise ValueError(f"not a method: {method!r}")
    parts = [verb, b" ", location.target, b" HTTP/1.1\r\nhost: ", location.authority, b"\r\n"]
    if has_bad_value([value for _, value in headers]):
        for name, value in headers:
            check_header(name, value)  # raises, and says which one
    for name, value in headers:
        start = _line_start(name)
        if start is not None:
            parts += (start, value, b"\r\n")
    if body or method in _WITH_BODY:
        parts.append(b"content-length: %d\r\n" % len(body))
    parts += (b"\r\n", body)
    return b"".join(parts)


@lru_cache(maxsize=1024)
def _line_start(name: bytes) -> bytes | None:
    """Return what the line of a header begins with, None when the client writes its own. Raises ValueError."""
    check_header(name, b"")
    return None if name.lower() in _OURS else name + b": "


class Collector:
    """Receives one response into memory."""

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
        """Send the request and wait for the response. Raises MeshError."""
        self._connection = connection
        connection.send(self, data, ended=True, to_head=method == "HEAD")
        try:
            return await self._done
        finally:
            if self._connection is not None:
                self._connection.abandon()

    def on_informational(self, head: ResponseHead) -> None:
        """Ignore it."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Keep the head."""
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
            self._connection = None
            headers = [(name.lower(), value) for name, value in self._head.headers]
            self._finish(Response(self._head.status, headers, b"".join(self._pieces)))

    def on_raw(self, data: bytes) -> None:
        """Never called: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """The call is over."""
        self._connection = None
        self.retriable = retriable
        self._fail(error)

    def on_writable(self, writable: bool) -> None:
        """Nothing to do: the request was written in one piece."""

    def _finish(self, response: Response) -> None:
        if not self._done.done():
            self._done.set_result(response)

    def _fail(self, error: MeshError) -> None:
        if not self._done.done():
            self._done.set_exception(error)
