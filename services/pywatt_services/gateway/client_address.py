"""The IP address of a client, and whether its forwarding headers are trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The address of the client of a connection."""

    ip: bytes
    """Empty on a unix socket."""
    trusted: bool
    """True if its `Forwarded` and `X-Forwarded-*` headers are believed."""


def client_address(transport: asyncio.BaseTransport, trust_proxy: bool) -> ClientAddress:
    """Return the address of a connection's client. Clients on a unix socket are of this app, and trusted."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return ClientAddress(b"", True)
    name = transport.get_extra_info("peername")
    if not name:
        return ClientAddress(b"", trust_proxy)
    address = ipaddress.ip_address(name[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return ClientAddress(str(mapped or address).encode(), trust_proxy)
