"""The HTTP server of a kafka-hooks worker."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from pywatt.http.limits import ConnectionLimits
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.own_user import own_user_only
from pywatt.http.server.server import HttpServer, Listening, serving
from pywatt.http.tls.server_tls import ServerTls
from pywatt_services.kafka_hooks.http.connection import HooksConnection
from pywatt_services.kafka_hooks.http.exchange import Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class HooksLimits(ConnectionLimits):
    """Timeouts of kafka-hooks' clients; durations in seconds."""

    head_timeout: float = 75.0
    """Time that a new connection may stay without a request."""
    request_timeout: float = 60.0
    """Time from the first byte of a request to its last."""


class HooksServer(HttpServer[HooksConnection]):
    """Serves the clients of one worker."""

    def __init__(
        self,
        handler: Handler,
        *,
        base_path: str = "/",
        body_limit: int,
        more_inside: Mapping[str, int] = MappingProxyType({}),
        limits: HooksLimits = HooksLimits(),
        fair_queue: FairQueue | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`base_path`: taken off the paths that have it. `body_limit`: bytes.

        `more_inside`: by path, the bytes by which the app's own workers may exceed that limit.
        """
        super().__init__(fair_queue=fair_queue, clock=clock, wall_clock=wall_clock)
        self.handler = handler
        self.body_limit = body_limit
        self.more_inside = more_inside
        self.limits = limits
        self._base_path = base_path.rstrip("/")

    def local_path(self, path: str) -> str:
        """Return a path without the prefix that the app is mounted at."""
        base = self._base_path
        if base and (path == base or path.startswith(f"{base}/")):
            return path[len(base) :] or "/"
        return path

    def on(
        self,
        sockets: Iterable[socket.socket],
        *,
        public: socket.socket | None,
        backlog: int,
        tls: ServerTls | None = None,
    ) -> AbstractAsyncContextManager[None]:
        """Serve on these sockets while the context is open: see `pywatt.http.server.server.serving`.

        `tls`: of the public one.
        """
        inside = partial(HooksConnection, self, public=False)
        accepts = [Listening(sock, own_user_only(sock, inside)) for sock in sockets]
        if public is not None:
            accepts.append(Listening(public, partial(HooksConnection, self, public=True), tls))
        return serving(self, accepts, backlog=backlog)
