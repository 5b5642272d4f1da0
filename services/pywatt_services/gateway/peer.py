"""The peer of a client's connection: its address, and whether it is trusted."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection."""

    address: bytes
    """IP address; empty on a unix socket."""
    trusted: bool


def peer_of(transport: asyncio.BaseTransport, trust_proxy: bool) -> Peer:
    """Return the peer of a connection. Unix sockets are open to this app only: their peers are trusted."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is not None and sock.family == socket.AF_UNIX:
        return Peer(b"", True)
    name = transport.get_extra_info("peername")
    if not name:
        return Peer(b"", trust_proxy)
    address = ipaddress.ip_address(name[0].partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return Peer(str(mapped or address).encode(), trust_proxy)
