"""Opens what accepts the connections of a listening socket: plain, or with TLS in front."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pywatt.http.limits import ConnectionLimits
from pywatt.http.server.errors import error_body
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.writer import JSON, write_response
from pywatt.http.tls.listener import Carriers, TlsListener
from pywatt.http.tls.options import TlsOptions
from pywatt.http.tls.server_tls import HTTP1, HTTP2, ServerTls

Accept = Callable[[], asyncio.Protocol]
"""Makes the protocol of a new connection."""
NO_TLS = write_response(
    400,
    b"",
    [JSON, (b"connection", b"close")],
    error_body(400, "plain HTTP was sent to a port that speaks HTTPS; the address has to begin with https://"),
)


def open_tls(options: TlsOptions | None, *, http2: bool = False) -> ServerTls | None:
    """Return the TLS of a server with these settings; None without. `http2`: it is spoken. Raises TlsProblem."""
    return None if options is None else ServerTls(options, protocols=(HTTP2, HTTP1) if http2 else (HTTP1,))


def http2_over(
    accept: Accept,
    tls: ServerTls | None,
    *,
    carriers: Carriers,
    fair_queue: FairQueue,
    draining: Callable[[], bool],
    limits: ConnectionLimits,
) -> Accept | None:
    """Return what makes the protocol of a connection that speaks HTTP/2; None where it is not spoken.

    `accept`: makes the protocol of HTTP/1.1 for each stream.
    """
    if tls is None or not tls.speaks_http2:
        return None
    # Only a server that speaks it pays for the import.
    from pywatt.http.http2.connection import Http2Connection
    from pywatt.http.http2.server import Http2Server

    server = Http2Server(
        accept=accept,
        carriers=carriers,
        fair_queue=fair_queue,
        draining=draining,
        limits=limits,
        loop=asyncio.get_running_loop(),
    )
    return partial(Http2Connection, server)


class Listener(Protocol):
    """Accepts connections until it is closed."""

    def close(self) -> None:
        """Accept no more."""
        ...


async def listen(
    sock: socket.socket,
    accept: Accept,
    *,
    backlog: int,
    carriers: Carriers,
    tls: ServerTls | None = None,
    accept_http2: Accept | None = None,
) -> Listener:
    """Accept on a socket, which the listener owns from now on.

    `carriers`: keeps the connections that are in their handshake. `tls`: None for plain connections.
    """
    if tls is not None:
        return TlsListener(sock, accept, tls, carriers, to_plain=NO_TLS, accept_http2=accept_http2)
    # Also for unix sockets: asyncio's create_unix_server looks for the file, which may have been removed.
    return await asyncio.get_running_loop().create_server(accept, sock=sock, backlog=backlog)
