"""Makes one call over a connection: the request in one piece, the response in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pywatt.errors import BadResponse, CallTimeout, ConnectionLost, MeshError
from pywatt.http.client.address import Location
from pywatt.http.client.connection import ClientConnection
from pywatt.http.client.timeout_queue import TimeoutQueue
from pywatt.http.headers import HOP_BY_HOP, Headers, check_header, has_bad_value, is_token
from pywatt.http.methods import IDEMPOTENT, WITH_BODY
from pywatt.http.response_reader import ResponseHead

_WITH_BODY = frozenset(method.decode() for method in WITH_BODY)
_OURS = HOP_BY_HOP | {b"host", b"content-length", b"expect"}


@dataclass(slots=True)
class Response:
    """A whole response."""

    status: int
    headers: Headers
    """Names in lower case, without those of the connection and of framing."""
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the first field with that (lower-case) name."""
        return next((value for each, value in self.headers if each == name), None)


Outcome = Response | MeshError | None
"""The outcome of a call; None: the connection was lost already, and the call may be made again on another."""


def write_request(method: str, location: Location[object], headers: Headers, body: bytes, lines: bytes = b"") -> bytes:
    """Return a whole request. `lines`: header lines as `header_lines` makes them.

    Raises ValueError for a method or header that cannot be sent.
    """
    if headers:
        lines += header_lines(headers)
    if body or method in _WITH_BODY:
        return b"%b%b%bcontent-length: %d\r\n\r\n%b" % (_verb(method), location.after_method, lines, len(body), body)
    return b"%b%b%b\r\n" % (_verb(method), location.after_method, lines)


def header_lines(headers: Headers) -> bytes:
    """Return the lines of header fields, without the fields that the client writes itself. Raises ValueError."""
    if has_bad_value([value for _, value in headers]):
        for name, value in headers:
            check_header(name, value)  # raises, and says which one
    return b"".join([b"%b%b\r\n" % (line, value) for name, value in headers if (line := _line_start(name)) is not None])


@lru_cache(maxsize=64)
def _verb(method: str) -> bytes:
    verb = method.encode()
    if not is_token(verb):
        raise ValueError(f"not a method: {method!r}")
    return verb


@lru_cache(maxsize=1024)
def _line_start(name: bytes) -> bytes | None:
    """Return the start of a header's line, None when the client writes its own. Raises ValueError."""
    check_header(name, b"")
    return None if name.lower() in _OURS else name + b": "


class Collector:
    """Receives one response into memory, then calls back."""

    __slots__ = ("_connection", "_done", "_head", "_limit", "_method", "_pieces", "_size", "_timeouts", "_url")

    def __init__(self, method: str, url: str, limit: int, done: Callable[[Outcome], None]) -> None:
        """`url`: for messages. `limit`: bytes that the body may have. `done` is called once, unless `end` comes first.

        None comes of a call with an idempotent method that got no byte of a response over a used connection.
        """
        self._method = method
        self._url = url
        self._limit = limit
        self._done = done
        self._head: ResponseHead | None = None
        self._pieces: list[bytes] | None = None
        self._size = 0
        self._connection: ClientConnection | None = None
        self._timeouts: TimeoutQueue | None = None

    def start(self, connection: ClientConnection, data: bytes, timeouts: TimeoutQueue | None) -> None:
        """Send the request; the timeout, if there is one, begins now."""
        self._connection = connection
        self._timeouts = timeouts
        if timeouts is not None:
            timeouts.add(self)
        connection.send(self, data, ended=True, to_head=self._method == "HEAD")

    def end(self) -> None:
        """Break the call off if it is not complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._forget()
            connection.abandon()

    def on_informational(self, head: ResponseHead) -> None:
        """Ignore it."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Keep the head, or call back with the whole response."""
        if ended and len(body) <= self._limit:
            self._connection = None
            self._forget()
            self._done(Response(head.status, head.lower_headers(), body))
        else:
            self._head = head
            self._pieces = []
            self.on_body(body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Keep the body; with its end the call is over."""
        assert self._head is not None
        assert self._pieces is not None
        self._size += len(body)
        if self._size > self._limit:
            self.end()
            self._done(BadResponse(f"the response is larger than {self._limit} bytes", status=self._head.status))
            return
        self._pieces.append(body)
        if ended:
            head, body = self._head, b"".join(self._pieces)
            self._pieces = None
            self.on_response(head, body, True)

    def on_raw(self, data: bytes) -> None:
        """Never called: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """The call is over."""
        self._connection = None
        self._forget()
        again = retriable and isinstance(error, ConnectionLost) and self._method.encode() in IDEMPOTENT
        self._done(None if again else error)

    def on_writable(self, writable: bool) -> None:
        """Nothing to do: the request was written in one piece."""

    def expire(self, seconds: float) -> None:
        """Give up."""
        self.end()
        self._done(took_too_long(self._method, self._url, seconds))

    def _forget(self) -> None:
        if self._timeouts is not None:
            self._timeouts.remove(self)


def took_too_long(method: str, url: str, seconds: float) -> CallTimeout:
    """Return the error for a call that has timed out."""
    return CallTimeout(f"{method} {url.partition('?')[0]} took longer than {seconds:g} s")
