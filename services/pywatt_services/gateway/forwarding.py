"""Writes the heads of requests to the services.

The service gets the client's Host. `X-Forwarded-For`, `-Host` and `-Proto`, as the original adds them, describe the
client; `X-Forwarded-Prefix`, as Traefik adds it, is the prefix that was taken off the path. Fields of a client itself
with these and similar names are taken out, unless the client is trusted: another part of the app, or any client when
`server.trustProxy` is set. Then the peer's address is appended to the list in `X-Forwarded-For`, the gateway's prefix
to `X-Forwarded-Prefix`, and the other two stay as they came. The verified certificate of a client is described in
`X-Forwarded-Client-Cert`, as Envoy does it, in place of any that was sent. Workers make a request's scope of them
(`pywatt.worker.asgi.forwarded`).
"""

from __future__ import annotations

import re

from pywatt.http.methods import WITH_BODY
from pywatt.http.request import RequestHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.routes import Route

UPGRADE = b"connection: Upgrade\r\nupgrade: websocket\r\n"
CLIENT_CERTIFICATE = b"x-forwarded-client-cert"
_OURS = frozenset({b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-prefix", b"x-forwarded-proto"})
_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~!$&'()*+;=:@%-]+)+")


def write_request_head(
    head: RequestHead, route: Route, path: bytes, base_path: bytes, client: ClientAddress, body_length: int | None
) -> bytes:
    """Return the head for the service. `base_path`: a prefix already taken off. `body_length`: None when not known."""
    headers = head.headers
    authority = head.authority
    forwarded_for, host, proto = client.ip, authority, client.scheme
    if client.trusted:
        hops = [value for name, value in headers if name.lower() == b"x-forwarded-for"]
        forwarded_for = b", ".join([*hops, client.ip] if client.ip else hops)
        host = last_value(head, b"x-forwarded-host") or host
        proto = last_value(head, b"x-forwarded-proto") or proto
        headers = [header for header in headers if header[0].lower() not in _OURS]
        if client.certificate:  # this client's own, in place of what it says
            headers = [header for header in headers if header[0].lower() != CLIENT_CERTIFICATE]
    if not route.sends_host or not authority:
        authority = route.authority
    parts = [head.method, b" ", route.upstream_path(path), head.query, b" HTTP/1.1\r\nhost: ", authority, b"\r\n"]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    if forwarded_for:
        parts += (b"x-forwarded-for: ", forwarded_for, b"\r\n")
    if host:
        parts += (b"x-forwarded-host: ", host, b"\r\n")
    if base_path or proto != b"http":
        parts += (b"x-forwarded-proto: ", proto, b"\r\n")
        if route.mount or (base_path and route.mount is not None):
            parts += (b"x-forwarded-prefix: ", base_path, route.mount, b"\r\n")
    else:
        parts.append(route.told)
    if client.certificate:
        parts += (CLIENT_CERTIFICATE, b": ", client.certificate, b"\r\n")
    if body_length is None:
        parts.append(b"transfer-encoding: chunked\r\n")
    elif body_length or head.method in WITH_BODY:
        parts.append(b"content-length: %d\r\n" % body_length)
    if head.websocket:
        parts.append(UPGRADE)
    parts.append(head.end)
    return b"".join(parts)


def outer_prefix(head: RequestHead) -> bytes:
    """Return the prefix that trusted proxies in front have taken off; with a comma, as Spring's, it is in parts."""
    prefix = b"".join(
        part.strip().rstrip(b"/")
        for name, value in head.headers
        if name.lower() == b"x-forwarded-prefix"
        for part in value.split(b",")
    )
    return prefix if _PREFIX.fullmatch(prefix) else b""


def last_value(head: RequestHead, name: bytes) -> bytes:
    """Return the last value of a header, empty when there is none."""
    return next((value for each, value in reversed(head.headers) if each.lower() == name), b"")
