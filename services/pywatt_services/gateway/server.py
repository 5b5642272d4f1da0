"""The HTTP server of a gateway's worker."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

from pywatt.http.limits import ConnectionLimits
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.listening import Accept
from pywatt.http.server.own_user import own_user_only
from pywatt.http.server.server import HttpServer, Listening, serving
from pywatt.http.server.state import TUNNEL
from pywatt.http.target import EscapedSlashes
from pywatt.http.tls.server_tls import ServerTls
from pywatt.telemetry.tracing import Tracing
from pywatt_services.gateway.access_log.access_log import AccessLog
from pywatt_services.gateway.cache.response_cache import ResponseCache
from pywatt_services.gateway.connection import GatewayConnection
from pywatt_services.gateway.counting.counted_exchange import counted_exchange
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics
from pywatt_services.gateway.features.own_exchange import own_exchange
from pywatt_services.gateway.gateway_context import Upstreams
from pywatt_services.gateway.openapi.documents import ApiDocuments
from pywatt_services.gateway.policies.route_policy import NO_CONTEXT, PolicyContext
from pywatt_services.gateway.proxy_exchange import OpenExchange, ProxyExchange
from pywatt_services.gateway.responses.logged_connection import LoggedConnection
from pywatt_services.gateway.responses.logged_exchange import logged_exchange
from pywatt_services.gateway.routes import RouteTable
from pywatt_services.gateway.traced_exchange import exchanges_with_trace, own_responses, traced_exchanges
from pywatt_services.gateway.upstreams.registry import UpstreamRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits(ConnectionLimits):
    """Timeouts of clients and services; durations in seconds."""

    response_timeout: float = 300.0
    """Time from the end of a request to the head of its response. Original: `applicationTimeout`."""


class GatewayServer(HttpServer[GatewayConnection]):
    """Serves the clients of one worker."""

    def __init__(
        self,
        routes: RouteTable,
        upstreams: Upstreams,
        *,
        base_path: str = "/",
        trust_proxy: bool = False,
        metrics: GatewayMetrics | None = None,
        access_log: AccessLog | None = None,
        documents: ApiDocuments | None = None,
        cache: ResponseCache | None = None,
        escaped_slashes: EscapedSlashes = EscapedSlashes.REJECT,
        limits: GatewayLimits = GatewayLimits(),
        policies: PolicyContext = NO_CONTEXT,
        fair_queue: FairQueue | None = None,
        tracing: Tracing | None = None,
        creates_trace: bool = False,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`base_path`: taken off the paths that have it. `metrics`: None counts nothing. `access_log`: None: none.

        `documents`: those of the services' APIs. `cache`: of responses. `tracing`: None: no spans.
        `creates_trace`: requests without a traceparent get one, also without spans.
        """
        super().__init__(fair_queue=fair_queue, clock=clock, wall_clock=wall_clock)
        self.routes = routes
        self.upstreams = upstreams
        self.base_path = base_path.rstrip("/").encode()
        self.trust_proxy = trust_proxy
        self.metrics = metrics
        self.access_log = access_log
        self.accept: Accept = partial(GatewayConnection if access_log is None else LoggedConnection, self)
        """Makes the protocol of a new connection."""
        self.record_own_response = None if tracing is None else own_responses(tracing)
        """Makes the span of a request without a route; None: there are no spans."""
        if metrics is not None:
            metrics.read_in_flight(self.in_flight)

        def opened(plain: type[ProxyExchange]) -> OpenExchange:
            if access_log is not None:
                plain = logged_exchange(access_log, plain)
            if metrics is not None:
                plain = counted_exchange(metrics, plain)
            if tracing is not None:
                return traced_exchanges(tracing, plain)
            return exchanges_with_trace(plain) if creates_trace else plain

        self.registry = UpstreamRegistry(clock)
        """The upstreams of routes with rules about them."""
        self.exchange: OpenExchange = opened(ProxyExchange)
        """Begins to pass a request on."""
        self.own_exchanges = {
            route.own_exchange: opened(own_exchange(route, policies, self.registry, documents, cache))
            for route in routes.routes
            if route.own_exchange is not None
        }
        """The same for routes that have policies."""
        self.escaped_slashes = escaped_slashes
        self.limits = limits
        self.keeps_idle = True
        """True when connections stay open after a response without `Connection: close`."""

    @property
    def waiting(self) -> int:
        """The number of requests that are being served."""
        return sum(not client.idle and client.state is not TUNNEL for client in self.clients)

    def in_flight(self) -> Counter[str]:
        """Return the number of requests that are being served, by the id of their routes."""
        return Counter(route_id for client in self.clients if (route_id := client.route_id) is not None)

    async def close_websockets(self) -> None:
        """Tell the clients of tunnels that the service restarts."""
        for client in list(self.clients):
            client.close_websocket()

    async def close_idle(self) -> None:
        """Close idle connections, and each other one after its response."""
        self.keeps_idle = False
        await super().close_idle()

    async def end_events(self) -> None:
        """End streams of server-sent events; their clients will come back."""
        for client in list(self.clients):
            client.end_events()

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
        accepts = [Listening(sock, own_user_only(sock, self.accept)) for sock in sockets]
        if public is not None:
            accepts.append(Listening(public, self.accept, tls))
        return serving(self, accepts, backlog=backlog)
