"""One request for the access log: what is known of it when it ends, and the fields that are read from its headers."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from pywatt.http.request import RequestHead
from pywatt.telemetry.http_attributes import hidden_query
from pywatt_services.gateway.access_log.options import QueryForm

CLIENT_CLOSED = 499
"""The status of a request whose client left before the response began, as in nginx."""
_TRACEPARENT = re.compile(rb"traceparent: ?[0-9a-f]{2}-([0-9a-f]{32})-")


@dataclass(slots=True)
class AccessEntry:
    """A request that has ended. Nothing here is copied or formatted yet: that is done for many at once."""

    ended_at: float
    """Seconds since the epoch."""
    seconds: float
    ip: bytes
    """Address of the connection's client; empty on a unix socket."""
    trusted: bool
    """True if the client's forwarding headers are believed."""
    request: RequestHead | None
    """None: its head was never complete, or not valid."""
    status: int
    sent: int
    """Bytes of the response's body, or of a tunnel, that went to the client."""
    route: str = ""
    """Empty: the gateway itself responded."""
    upstream_seconds: float | None = None
    """Time until the head of the service's response; None without one."""
    head: bytes = b""
    """Head of the request as the service got it, with the traceparent."""
    complete: bool = True
    """False: the response, once begun, was broken off."""
    http2: bool = False
    """True for a stream of HTTP/2."""


@dataclass(slots=True)
class RequestFields:
    """The fields of a request that a line has; empty ones are unknown."""

    ip: str = ""
    user: str = ""
    method: str = ""
    path: str = ""
    query: str = ""
    protocol: str = ""
    host: str = ""
    referer: str = ""
    user_agent: str = ""
    request_id: str = ""
    trace_id: str = ""


def read_fields(entry: AccessEntry, query: QueryForm, longest: int) -> RequestFields:
    """Return the fields of an entry, each with at most `longest` characters."""
    fields = RequestFields(ip=entry.ip.decode("latin-1"))
    request = entry.request
    if request is None:
        return fields
    fields.method = request.method.decode("latin-1")[:longest]
    fields.path = request.path.decode("latin-1")[:longest]
    fields.protocol = "HTTP/2.0" if entry.http2 else f"HTTP/1.{request.minor}"
    fields.host = request.authority.decode("latin-1")[:longest]
    if query is not QueryForm.OMIT and request.query:
        text = request.query.decode("latin-1")
        fields.query = (text if query is QueryForm.FULL else hidden_query(text))[:longest]
    for name, value in request.headers:
        lower = name.lower()
        if lower == b"user-agent":
            fields.user_agent = value.decode("latin-1")[:longest]
        elif lower == b"referer":
            fields.referer = _referer(value.decode("latin-1"), query)[:longest]
        elif lower == b"x-request-id":
            fields.request_id = value.decode("latin-1")[:longest]
        elif lower == b"authorization":
            fields.user = _user(value)[:longest]
        elif lower == b"x-forwarded-for" and entry.trusted:
            fields.ip = value.partition(b",")[0].strip().decode("latin-1")[:longest] or fields.ip
    fields.trace_id = _trace_id(entry.head)
    return fields


def _referer(text: str, query: QueryForm) -> str:
    if query is QueryForm.FULL:
        return text
    path, mark, rest = text.partition("?")
    return path if query is QueryForm.OMIT else f"{path}{hidden_query(mark + rest)}"


def _user(authorization: bytes) -> str:
    """Return the name in credentials of the scheme Basic; a bearer token tells none."""
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return ""
    try:
        name, colon, _ = base64.b64decode(credentials.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return ""
    return name.decode("utf-8", "replace") if colon else ""


def _trace_id(head: bytes) -> str:
    place = head.find(b"traceparent: ")
    if place < 0:
        head = head.lower()
        place = head.find(b"traceparent: ")
    found = _TRACEPARENT.match(head, place) if place >= 0 else None
    return found[1].decode() if found is not None else ""
