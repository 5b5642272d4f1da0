"""A request of HTTP/2 as the head of one of HTTP/1.1 (pure).

Everything by which a head could mean something else in HTTP/1.1 is refused here (RFC 9113 8.2, 8.3). The server's
reader then applies the same rules to it as to any other request.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pywatt.http.headers import Header

WEBSOCKET = b"websocket"
_NAME = re.compile(rb"[a-z0-9!#$%&'*+.^_`|~-]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|\A[ \t]|[ \t]\Z")
_METHOD = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
_OF_CONNECTIONS = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
"""Fields that HTTP/2 does not have (RFC 9113 8.2.2)."""
_PSEUDO = frozenset({b":method", b":scheme", b":authority", b":path", b":protocol"})


class Malformed(ValueError):
    """A request or trailer section that is none."""


@dataclass(frozen=True, slots=True)
class RequestText:
    """A request in the form of HTTP/1.1."""

    method: bytes
    head: bytes
    chunked: bool
    """True if its body is to be framed as chunks."""
    length: int | None
    """Bytes of the body, if the request tells."""
    websocket: bool


def request_text(
    headers: Iterable[Header], *, ended: bool, random_bytes: Callable[[int], bytes] = os.urandom
) -> RequestText:
    """Return the head for HTTP/1.1. `ended`: no body follows. Raises Malformed."""
    pseudo: dict[bytes, bytes] = {}
    lines: list[bytes] = []
    cookies: list[bytes] = []
    hosts: list[bytes] = []
    lengths: list[bytes] = []
    for name, value in headers:
        if name.startswith(b":"):
            if lines or cookies or hosts or lengths or name not in _PSEUDO or name in pseudo:
                raise Malformed(f"the pseudo-header field {name!r} is unknown, repeated or late")
            pseudo[name] = value
            continue
        _check_field(name, value)
        if name == b"cookie":
            cookies.append(value)  # HTTP/1.1 has one field (RFC 9113 8.2.3)
        elif name == b"host":
            hosts.append(value)
        elif name == b"content-length":
            lengths.append(value)
        elif name in _OF_CONNECTIONS or (name == b"te" and value.lower() != b"trailers"):
            raise Malformed(f"the field {name!r} belongs to HTTP/1.1")
        else:
            lines += (name, b": ", value, b"\r\n")
    method, target, websocket = _request_line(pseudo)
    authority = pseudo.get(b":authority")
    if authority is None:
        if len(hosts) > 1:
            raise Malformed("there are two hosts")
        authority = hosts[0] if hosts else b""
    elif any(host.lower() != authority.lower() for host in hosts):
        raise Malformed("the host is not the authority")
    if _BAD_VALUE.search(authority):
        raise Malformed("the authority is not valid")
    length = _length(lengths)
    if ended and length:
        raise Malformed("a body was announced and does not follow")
    if cookies:
        lines += (b"cookie: ", b"; ".join(cookies), b"\r\n")
    chunked = False
    if websocket:
        key = base64.b64encode(random_bytes(16))
        lines += (b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ", key, b"\r\n")
    elif length is not None:
        lines.append(b"content-length: %d\r\n" % length)
    elif not ended:
        chunked = True
        lines.append(b"transfer-encoding: chunked\r\n")
    head = b"".join((method, b" ", target, b" HTTP/1.1\r\nhost: ", authority, b"\r\n", *lines, b"\r\n"))
    return RequestText(method, head, chunked, length, websocket)


def check_trailers(headers: Iterable[Header]) -> None:
    """Refuse fields that are no trailers. Raises Malformed."""
    for name, value in headers:
        _check_field(name, value)


def _check_field(name: bytes, value: bytes) -> None:
    if _NAME.fullmatch(name) is None or _BAD_VALUE.search(value) is not None:
        raise Malformed("a header field is not valid")


def _request_line(pseudo: dict[bytes, bytes]) -> tuple[bytes, bytes, bool]:
    """Return method, target, and whether a WebSocket is asked for (RFC 8441)."""
    method, path, scheme = pseudo.get(b":method", b""), pseudo.get(b":path"), pseudo.get(b":scheme")
    if _METHOD.fullmatch(method) is None:
        raise Malformed("the method is not valid")
    protocol = pseudo.get(b":protocol")
    if method == b"CONNECT" and protocol is None:
        authority = pseudo.get(b":authority", b"")
        if path is not None or scheme is not None or _TARGET.fullmatch(authority) is None:
            raise Malformed("a CONNECT has an authority only")
        return method, authority, False
    if scheme not in (b"http", b"https") or path is None:
        raise Malformed("a request has a scheme and a path")
    if not (path.startswith(b"/") or path == b"*") or _TARGET.fullmatch(path) is None:
        raise Malformed("the path is not valid")
    if protocol is None:
        return method, path, False
    if method != b"CONNECT" or protocol != WEBSOCKET or b":authority" not in pseudo:
        raise Malformed("the only protocol that a CONNECT may name here is websocket")
    return b"GET", path, True


def _length(lengths: list[bytes]) -> int | None:
    if not lengths:
        return None
    if len(lengths) > 1 or not lengths[0].isdigit() or len(lengths[0]) > 18:
        raise Malformed("the content-length is not valid")
    return int(lengths[0])
