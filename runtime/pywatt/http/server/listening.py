"""Opens what accepts the connections of a listening socket: plain, or with TLS in front."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON, write_response
from pywatt.http.tls.listener import Carriers, TlsListener
from pywatt.http.tls.options import TlsOptions
from pywatt.http.tls.server_tls import ServerTls

Accept = Callable[[], asyncio.Protocol]
"""Makes the protocol of a new connection."""
NO_TLS = write_response(
    400,
    b"",
    [JSON, (b"connection", b"close")],
    error_body(400, "plain HTTP was sent to a port that speaks HTTPS; the address has to begin with https://"),
)


def open_tls(options: TlsOptions | None) -> ServerTls | None:
    """Return the TLS of a server with these settings; None without. Raises TlsProblem."""
    return None if options is None else ServerTls(options)


class Listener(Protocol):
    """Accepts connections until it is closed."""

    def close(self) -> None:
        """Accept no more."""
        ...


async def listen(
    sock: socket.socket, accept: Accept, *, backlog: int, carriers: Carriers, tls: ServerTls | None = None
) -> Listener:
    """Accept on a socket, which the listener owns from now on.

    `carriers`: keeps the connections that are in their handshake. `tls`: None for plain connections.
    """
    if tls is not None:
        return TlsListener(sock, accept, tls, carriers, to_plain=NO_TLS)
    loop = asyncio.get_running_loop()
    if sock.family == socket.AF_UNIX:
        return await loop.create_unix_server(accept, sock=sock, backlog=backlog)
    return await loop.create_server(accept, sock=sock, backlog=backlog)
