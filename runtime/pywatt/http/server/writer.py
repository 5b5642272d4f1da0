"""Writes responses: status lines, heads, and whole responses with a short body."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from pywatt.http.headers import Header, Headers

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NEVER_SIZED = frozenset({204, 304})
"""Statuses whose responses have no Content-Length (RFC 9110 8.6)."""
_END = (b"\r\n",)
JSON: Header = (b"content-type", b"application/json; charset=utf-8")


@cache
def reason(status: int) -> str:
    """Return a status code's reason phrase; empty for one without."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


@cache
def status_line(status: int) -> bytes:
    """Return a response's first line."""
    return f"HTTP/1.1 {status} {reason(status)}\r\n".encode()


def write_response_head(status: int, headers: Headers, *lines: bytes) -> bytes:
    """Return a response's head. `lines`: further header lines, each whole or empty."""
    parts = [status_line(status)]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    parts += lines
    parts += _END
    return b"".join(parts)


def write_response(status: int, date: bytes, headers: Headers, body: bytes, *, with_body: bool = True) -> bytes:
    """Return a whole response. `date`: a header line. `with_body`: False for the response to HEAD."""
    length = b"content-length: %d\r\n" % len(body) if status not in NEVER_SIZED else b""
    head = write_response_head(status, headers, date, length)
    return head + body if with_body else head
