"""The server of the health endpoints, in the control worker: small, since it answers an orchestrator's GETs alone."""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial

from pywatt.config.model import HealthProbesConfig
from pywatt.control.probes.pages import ProbePages
from pywatt.http.headers import Headers
from pywatt.http.limits import ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_reader import RequestReader
from pywatt.http.server.connection import ServerConnection
from pywatt.http.server.errors import error_body, route_not_found
from pywatt.http.server.listener import open_listener
from pywatt.http.server.server import HttpServer, Listening, serving
from pywatt.http.server.writer import JSON

BACKLOG = 64
MAX_CLIENTS = 256
SECONDS = 5.0
"""Seconds within which a client must have sent its head, and have taken the response."""
RETRY_SECONDS = 1.0
"""Pause before another attempt to bind the address: an app that ends may hold it yet."""
_METHODS = (b"GET", b"HEAD")

logger = logging.getLogger("pywatt.health")


async def serve_probes(pages: ProbePages, config: HealthProbesConfig) -> None:
    """Serve until cancelled. While the address cannot be bound, the app runs without."""
    with await _bound(config) as listener:
        server = ProbeServer()
        async with serving(server, [Listening(listener, partial(ProbeConnection, server, pages))], backlog=BACKLOG):
            host, port = listener.getsockname()[:2]
            where = f"[{host}]" if ":" in host else host
            logger.info("health endpoints are served at http://%s:%d: %s", where, port, ", ".join(pages.paths))
            await asyncio.get_running_loop().create_future()


class ProbeServer(HttpServer["ProbeConnection"]):
    """The clients of the health endpoints."""

    def __init__(self) -> None:
        super().__init__()
        self.limits = ConnectionLimits(head_timeout=SECONDS, write=SECONDS, linger=SECONDS)

    def opened(self, client: ProbeConnection) -> None:
        """Add a client; break it off if there are too many."""
        super().opened(client)
        if len(self.clients) > MAX_CLIENTS:
            client.abort()


class ProbeConnection(ServerConnection[ProbeServer]):
    """The connection of one client, which is closed after its first response."""

    __slots__ = ("_asking", "_pages")

    def __init__(self, server: ProbeServer, pages: ProbePages) -> None:
        super().__init__(server, RequestReader(server.limits.head))
        self._pages = pages
        self._asking: asyncio.Task[None] | None = None

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        path = head.path.decode("latin-1")
        if head.method not in _METHODS:
            self._respond(405, ((b"allow", b"GET, HEAD"), JSON), error_body(405, "only GET is answered here"))
        else:
            self._asking = asyncio.get_running_loop().create_task(self._answer(head.method.decode(), path))

    async def _answer(self, method: str, path: str) -> None:
        page = await self._pages.page(path)
        if page is None:
            self._respond(404, (JSON,), route_not_found(method, path))
        else:
            headers = ((b"content-type", page.content_type.encode()), (b"cache-control", b"no-store"))
            self._respond(page.status, headers, page.body)

    def _respond(self, status: int, headers: Headers, body: bytes) -> None:
        self._write_response(status, headers, body, keep=False)
        self._finish()

    def _on_body(self, body: bytes, ended: bool) -> None:
        """Take nothing: a GET has none that matters."""

    def _leave(self) -> None:
        if self._asking is not None:
            self._asking.cancel()


async def _bound(config: HealthProbesConfig) -> socket.socket:
    """Return the listening socket as soon as its address can be bound."""
    told = False
    while True:
        try:
            return open_listener(config.hostname, config.port, BACKLOG)
        except OSError as error:
            if not told:
                hint = 'set "healthProbes": {"port": ...} in watt.json to a free one'
                where = f"{config.hostname}:{config.port}"
                why = error.strerror or str(error)
                logger.error("health endpoints cannot be served on %s: %s (fix: %s)", where, why, hint)
            told = True
            await asyncio.sleep(RETRY_SECONDS)
