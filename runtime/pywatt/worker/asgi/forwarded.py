"""Forwarding data of the gateway: root path, scheme, client and server of a scope.

The gateway's `X-Forwarded-*` headers count only on a worker's own unix socket, which only the app reaches.
The gateway removes headers of these names that clients send.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from pywatt.worker.asgi.lifespan import Scope

UNIX_CLIENT = ("127.0.0.1", 0)
UNIX_SERVER = ("127.0.0.1", 80)
"""Client and server in the scope of a request over the unix socket: applications expect a host and a port."""

PROTO = b"x-forwarded-proto"
"""The one header that the gateway always sends."""
_SECURE = frozenset({b"https", b"wss"})


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The gateway's forwarding data of a request."""

    raw_prefix: bytes
    prefix: str
    secure: bool
    client: tuple[str, int] | None
    server: tuple[str, int]


def is_inside(transport: asyncio.BaseTransport) -> bool:
    """Return whether a connection is one over a unix socket."""
    # Not by the client's address: it is unknown, too, when a client of a TCP port has left already.
    sock: socket.socket | None = transport.get_extra_info("socket")
    return sock is not None and sock.family == socket.AF_UNIX


def forwarded(headers: Mapping[bytes, bytes]) -> Forwarded | None:
    """Return the forwarding data in a request's headers; None when it does not come from the gateway."""
    proto = headers.get(PROTO)
    if proto is None:
        return None
    get = headers.get
    return _read(proto, get(b"x-forwarded-prefix"), get(b"x-forwarded-host"), get(b"x-forwarded-for"))


def place(scope: Scope, told: Forwarded) -> None:
    """Put the gateway's forwarding data into a scope."""
    if told.client is not None:
        scope["client"] = told.client
    scope["server"] = told.server
    if told.secure:
        scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
    if told.prefix:
        # ASGI: the path is whole, and the framework takes the root path off.
        scope["root_path"] = told.prefix
        scope["path"] = told.prefix + scope["path"]
        scope["raw_path"] = told.raw_prefix + (scope.get("raw_path") or b"")


@lru_cache(maxsize=512)
def _read(proto: bytes, prefix: bytes | None, host: bytes | None, address: bytes | None) -> Forwarded:
    secure = proto.lower() in _SECURE
    raw_prefix = prefix or b""
    return Forwarded(
        raw_prefix=raw_prefix,
        prefix=unquote(raw_prefix.decode("latin-1")),
        secure=secure,
        client=_client((address or b"").decode("latin-1").partition(",")[0].strip()),
        server=_server((host or b"").decode("latin-1"), 443 if secure else 80),
    )


def _client(first: str) -> tuple[str, int] | None:
    """Return the client's address and port, of which the latter is 0 when it is not told; None: no address."""
    host, port = _split(first)
    try:
        return str(ipaddress.ip_address(host)), port or 0
    except ValueError:
        return None  # such as `unknown`


def _server(authority: str, port: int) -> tuple[str, int]:
    host, given = _split(authority)
    return host or UNIX_SERVER[0], port if given is None else given


def _split(text: str) -> tuple[str, int | None]:
    """Return host and port of `host`, `host:port`, `[address]:port` or an IPv6 address alone."""
    if text.count(":") > 1 and not text.startswith("["):
        return text, None
    bracketed, _, rest = text.partition("]")
    host, colon, port = (bracketed[1:], *rest.partition(":")[1:]) if text.startswith("[") else text.partition(":")
    return host, int(port) if colon and port.isdecimal() else None
