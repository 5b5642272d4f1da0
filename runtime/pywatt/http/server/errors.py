"""Bodies, and the Allow field, of the error responses that pywatt itself gives, in the original's form."""

from __future__ import annotations

import json

from pywatt.http.headers import Header
from pywatt.http.server.writer import reason

ALLOW: Header = (b"allow", b"GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS")
"""The methods that are served, and more: an application may have its own. A 405 needs the field (RFC 9110 15.5.6)."""
RETRY_AFTER: Header = (b"retry-after", b"1")
TOO_MANY_CLIENTS = "too many clients are connected; try again later"


def error_body(status: int, message: str) -> bytes:
    """Return the body of an error response."""
    return json.dumps(
        {"statusCode": status, "error": reason(status), "message": message}, separators=(",", ":")
    ).encode()


def route_not_found(method: str, target: str) -> bytes:
    """Return the body of the 404 for a path without a route."""
    return json.dumps(
        {"message": f"Route {method}:{target} not found", "error": "Not Found", "statusCode": 404},
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode("utf-8", "replace")
