"""Responses that the worker itself gives: to invalid requests, and to `OPTIONS *`."""

from __future__ import annotations

from pywatt.http.headers import Header, write_head
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.server.errors import ALLOW, error_body
from pywatt.http.server.writer import JSON, write_response
from pywatt.http.target import ASTERISK

CLOSE: Header = (b"connection", b"close")


def error_response(error: RequestError, headers: list[Header]) -> bytes:
    """Return the response to a request that must not be served. `headers`: the headers of every response."""
    own = [JSON, CLOSE, ALLOW] if error.status == 405 else [JSON, CLOSE]
    return write_response(error.status, write_head(b"", headers), own, error_body(error.status, error.message))


def concerns_server(head: RequestHead) -> bool:
    """Return whether a request is about the server and no resource of it (RFC 9110 9.3.7). Raises RequestError."""
    if head.path != ASTERISK:
        return False
    if head.has_body:
        raise RequestError(400, "OPTIONS * has no body here")
    return True


def options_answer(headers: list[Header], *, close: bool) -> bytes:
    """Return the response to a request about the server."""
    return write_response(204, write_head(b"", headers), [ALLOW, CLOSE] if close else [ALLOW], b"")
