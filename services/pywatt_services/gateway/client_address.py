"""The IP address and the TLS of a client, and whether its forwarding headers are trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache

from pywatt.http.tls.client_certificate import forwarded_client_certificate, is_secure


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The address of the client of a connection."""

    ip: bytes
    """Empty on a unix socket."""
    trusted: bool
    """True if its `Forwarded` and `X-Forwarded-*` headers are believed."""
    scheme: bytes = b"http"
    """The scheme that it speaks; `https` with TLS."""
    certificate: bytes = b""
    """Its verified certificate, as the value of X-Forwarded-Client-Cert; empty without one."""
    http2: bool = False
    """True if it speaks HTTP/2, and each of its requests is a stream."""


def client_address(transport: asyncio.BaseTransport, trust_proxy: bool) -> ClientAddress:
    """Return the address of a connection's client. Clients on a unix socket are of this app, and trusted."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return ClientAddress(b"", True)
    scheme, certificate, http2 = b"http", b"", False
    if is_secure(transport):
        scheme, certificate = b"https", forwarded_client_certificate(transport)
        http2 = transport.get_extra_info("http_version") is not None
    name = transport.get_extra_info("peername")
    if not name:
        return ClientAddress(b"", trust_proxy, scheme, certificate, http2)
    return ClientAddress(_normal(name[0]), trust_proxy, scheme, certificate, http2)


@lru_cache(maxsize=256)
def _normal(host: str) -> bytes:
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address).encode()
