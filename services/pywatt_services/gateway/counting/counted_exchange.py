"""An exchange that counts, and measures its duration.

Each number is written before the last bytes of the response, so that a client never has an answer that a gateway which
is killed in that moment has not counted.
"""

from __future__ import annotations

from typing import cast

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import Headers
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt.metrics.status_classes import ABORTED
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics, RouteMetrics
from pywatt_services.gateway.proxy_exchange import ProxyExchange, failure_status
from pywatt_services.gateway.proxy_state import CONNECTING, ENDED, RESPONDING, TUNNEL


def counted_exchange(metrics: GatewayMetrics, plain: type[ProxyExchange] = ProxyExchange) -> type[ProxyExchange]:
    """Return the class of exchanges that count into these metrics. `plain`: the class that it builds upon."""
    clock, routes = metrics.clock, metrics.routes
    # Named here, since `super()` costs a lookup for each request.
    start, on_response = plain.start, plain.on_response

    class CountedExchange(ProxyExchange):
        __slots__ = ("_begun", "_status_class")

        def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
            self._begun = clock()
            start(self, path, client, body, ended)

        def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
            if ended and head.status != SWITCHING_PROTOCOLS:
                counters = routes.get(self._route.id) or metrics.add_route(self._route)
                kind = self._request.method, head.status // 100
                (counters.durations.get(kind) or counters.histogram(*kind).observe)(clock() - self._begun)
            else:
                self._status_class = head.status // 100
            on_response(self, head, body, ended)

        def on_body(self, body: bytes, ended: bool) -> None:
            if ended:
                self._count(self._status_class)
            super().on_body(body, ended)

        def cancel(self) -> None:
            if self.state is not ENDED and self.state is not TUNNEL:
                self._count(ABORTED)
            if self.state is CONNECTING and self._dialing is not None:
                self._counters().waiting.add(-1)
            super().cancel()

        def end_events(self) -> None:
            if self.state is RESPONDING and self._response.is_event_stream:
                self._count(self._status_class)
            super().end_events()

        def answer(self, status: int, headers: Headers, body: bytes) -> None:
            if self.state is CONNECTING and self._dialing is not None:
                self._counters().waiting.add(-1)
            if status >= 400:
                self._counters().refused(status)
            self._count(status // 100)
            super().answer(status, headers, body)

        def end_tunnel(self) -> None:
            self._counters().websockets.add(-1)
            super().end_tunnel()

        def expire(self) -> None:
            if self.state is CONNECTING and self._dialing is not None:
                self._counters().waiting.add(-1)
            super().expire()

        def on_failure(self, error: MeshError, retriable: bool) -> None:
            if self.state is TUNNEL:
                self._counters().websockets.add(-1)
            super().on_failure(error, retriable)

        def _dial(self) -> None:
            self._counters().waiting.add()
            self._dialing = self._connect(self._dialed, self._not_dialed)

        def _dialed(self, connection: ClientConnection) -> None:
            counters = self._counters()
            counters.waiting.add(-1)
            counters.opened.add()
            self._opened(connection)

        def _not_dialed(self, error: MeshError) -> None:
            self._counters().waiting.add(-1)
            self._end_with(error)

        def _upgrade(self, head: ResponseHead) -> None:
            super()._upgrade(head)
            if self.state is TUNNEL:
                self._count(SWITCHING_PROTOCOLS // 100)
                self._counters().websockets.add()

        def _retrying(self, cause: str) -> None:
            self._counters().retried(cause)
            super()._retrying(cause)

        def _fail(self, error: MeshError) -> None:
            status = failure_status(error)
            self._counters().refused(status)
            self._count(status // 100)
            super()._fail(error)

        def _counters(self) -> RouteMetrics:
            return routes.get(self._route.id) or metrics.add_route(self._route)

        def _count(self, status_class: int) -> None:
            self._counters().histogram(self._request.method, status_class).observe(clock() - self._begun)

    if plain is ProxyExchange:
        return CountedExchange
    return cast("type[ProxyExchange]", type("CountedExchange", (CountedExchange, plain), {}))
