"""The heads that the gateway writes: towards the service, and back to the client.

`X-Forwarded-For`, `-Host` and `-Proto`, as the original adds them, say who asked. What a client itself sent under these
and similar names is taken out, unless it is trusted: another part of the app, or anybody when `server.trustProxy` is
set. Then the peer's address is appended to the list in `X-Forwarded-For`, and the other two stay as they came.
"""

from __future__ import annotations

from pywatt.http.answer import status_line
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.peer import Peer
from pywatt_services.gateway.routes import Route

HTTP_PROTO = b"x-forwarded-proto: http\r\n"
UPGRADE = b"connection: Upgrade\r\nupgrade: websocket\r\n"
_WITH_BODY = frozenset({b"POST", b"PUT", b"PATCH"})


def write_request_head(head: RequestHead, route: Route, path: bytes, peer: Peer, body_length: int | None) -> bytes:
    """Return the head for the service. `body_length`: None when it is not known yet."""
    parts = [head.method, b" ", route.upstream_path(path), head.query, route.after_target]
    headers = head.headers
    forwarded_for, host, proto = peer.address, head.authority, b"http"
    if peer.trusted:
        hops = [value for name, value in headers if name.lower() == b"x-forwarded-for"]
        forwarded_for = b", ".join([*hops, peer.address] if peer.address else hops)
        host = _last(head, b"x-forwarded-host") or host
        proto = _last(head, b"x-forwarded-proto") or proto
        ours = (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")
        headers = [header for header in headers if header[0].lower() not in ours]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    if forwarded_for:
        parts += (b"x-forwarded-for: ", forwarded_for, b"\r\n")
    if host:
        parts += (b"x-forwarded-host: ", host, b"\r\n")
    parts.append(HTTP_PROTO if proto == b"http" else b"x-forwarded-proto: %b\r\n" % proto)
    if body_length is None:
        parts.append(b"transfer-encoding: chunked\r\n")
    elif body_length or head.method in _WITH_BODY:
        parts.append(b"content-length: %d\r\n" % body_length)
    if head.websocket:
        parts.append(UPGRADE)
    parts.append(b"\r\n")
    return b"".join(parts)


def write_response_head(
    head: ResponseHead, route: Route, base_path: bytes, framing: bytes, connection: bytes, date: bytes
) -> bytes:
    """Return the head for the client. `framing`, `connection`, `date`: whole lines, or empty."""
    parts = [status_line(head.status)]
    headers = head.headers
    if route.rewrite_location and (300 <= head.status < 400 or head.status == 201):
        headers = [
            (name, route.public_location(value, base_path)) if name.lower() == b"location" else (name, value)
            for name, value in headers
        ]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    parts += (b"" if head.dated else date, framing, connection, b"\r\n")
    return b"".join(parts)


def _last(head: RequestHead, name: bytes) -> bytes:
    return next((value for each, value in reversed(head.headers) if each.lower() == name), b"")
