"""Opens the listening socket of a server of its own address, such as those of metrics and health probes."""

from __future__ import annotations

import socket


def open_listener(hostname: str, port: int, backlog: int) -> socket.socket:
    """Return a listening TCP socket that does not block. Raises OSError."""
    family, kind, protocol, _, address = socket.getaddrinfo(
        hostname, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(backlog)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock
