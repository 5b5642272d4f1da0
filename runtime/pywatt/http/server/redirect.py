"""Redirects requests of plain HTTP to the HTTPS of the same host."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Awaitable
from functools import partial

from pywatt.http.headers import Header
from pywatt.http.limits import ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import ServerConnection
from pywatt.http.server.errors import error_body
from pywatt.http.server.server import HttpServer, Listening, serving
from pywatt.http.server.writer import JSON

PERMANENT = 308
"""Keeps the method and the body, which 301 does not."""
HTTPS_PORT = 443
SECONDS = 5.0
"""Seconds within which a client must have sent its head, and have taken the response."""
GRACE = 1.0
"""Seconds for requests in flight at a stop."""

logger = logging.getLogger("pywatt.http")
_PORT = re.compile(rb":[0-9]*\Z")


class RedirectConnection(ServerConnection["RedirectServer"]):
    """The connection of one client."""

    def __init__(self, server: RedirectServer) -> None:
        super().__init__(server, RequestReader(server.limits.head))

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        keep = self._keeps_alive()
        if not head.authority or not head.target.startswith(b"/"):
            self._write_response(400, (JSON,), error_body(400, "this port leads to https only"), keep=False)
            self._finish()
            return
        location: Header = (b"location", redirect_target(head, self._server.port))
        self._write_response(PERMANENT, (location,), b"", keep=keep)
        if keep:
            self._next()
        else:
            self._finish()

    def _on_body(self, body: bytes, ended: bool) -> None:
        """Take nothing: the response was written with the head."""

    def _leave(self) -> None:
        """Do nothing: no response is waited for."""


class RedirectServer(HttpServer[RedirectConnection]):
    """The clients of plain HTTP."""

    def __init__(self, port: int) -> None:
        """`port`: of HTTPS."""
        super().__init__()
        self.port = port
        self.limits = ConnectionLimits(head_timeout=SECONDS, keep_alive=SECONDS, write=SECONDS)


def redirect_target(head: RequestHead, port: int) -> bytes:
    """Return the address of a request at the HTTPS port."""
    host = _PORT.sub(b"", head.authority)
    shown = b"" if port == HTTPS_PORT else b":%d" % port
    return b"https://" + host + shown + head.path + head.query


async def redirect(sock: socket.socket, port: int, stopped: Awaitable[object]) -> None:
    """Redirect the requests on a listening socket to a port, until `stopped` is done."""
    server = RedirectServer(port)
    logger.info("http://%s:%d leads to https", *sock.getsockname()[:2])
    async with serving(server, [Listening(sock, partial(RedirectConnection, server))], backlog=socket.SOMAXCONN):
        await stopped
        server.refuse()
        try:
            async with asyncio.timeout(GRACE):
                await server.none_left()
        except TimeoutError:
            pass  # the rest is cut off
