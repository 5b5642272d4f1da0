"""The HTTP server for services that have failed: a 503 with the reason for each request.

Imported with the first failure: an app without one starts sooner without a parser in its supervisor.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable

from pywatt.http.headers import Headers
from pywatt.http.limits import ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import ServerConnection
from pywatt.http.server.errors import error_body
from pywatt.http.server.listening import Listener, listen, open_tls
from pywatt.http.server.server import HttpServer
from pywatt.http.server.writer import JSON
from pywatt.http.tls.options import TlsOptions
from pywatt.supervisor.process.sockets import LOOPBACK_BACKLOG

MAX_CLIENTS = 512
SECONDS = 5.0
"""Seconds within which a client must have sent its head, and within which it must have taken the response."""
HEADERS: Headers = (JSON, (b"retry-after", b"1"))


class FallbackConnection(ServerConnection["FallbackClients"]):
    """The connection of one client, which is closed after its first response."""

    def __init__(self, server: FallbackClients, reason: Callable[[], str]) -> None:
        super().__init__(server, RequestReader(server.limits.head))
        self._reason = reason

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        self._write_response(503, HEADERS, error_body(503, self._reason()), keep=False)
        self._finish()

    def _on_body(self, body: bytes, ended: bool) -> None:
        """Take nothing: the response was written with the head."""

    def _leave(self) -> None:
        """Do nothing: no response is waited for."""


class FallbackClients(HttpServer[FallbackConnection]):
    """The clients of all failed services of one app."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock=clock)
        self.limits = ConnectionLimits(head_timeout=SECONDS, write=SECONDS, linger=SECONDS)

    async def listen(
        self, sock: socket.socket, reason: Callable[[], str], options: TlsOptions | None = None
    ) -> Listener:
        """Accept on a copy of a listening socket; `reason`: returns the message of the responses."""
        loop = asyncio.get_running_loop()
        self.clients.start(loop)
        self.carriers.start(loop)
        # A listener closes what it is given; the backlog is that of all who share the socket.
        return await listen(
            sock.dup(),
            lambda: FallbackConnection(self, reason),
            backlog=LOOPBACK_BACKLOG,
            carriers=self.carriers,
            tls=open_tls(options),
        )

    def opened(self, client: FallbackConnection) -> None:
        """Add a client; break it off if there are too many."""
        super().opened(client)
        if len(self.clients) > MAX_CLIENTS:
            client.abort()

    def close(self) -> None:
        """Break off all clients."""
        for client in [*self.carriers, *self.clients]:
            client.abort()
        self.clients.close()
        self.carriers.close()
