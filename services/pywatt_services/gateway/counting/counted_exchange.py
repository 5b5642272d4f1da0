"""An exchange that counts, and measures its duration.

Each number is written before the last bytes of the response, so that a client never has an answer that a gateway which
is killed in that moment has not counted.
"""

from __future__ import annotations

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt.metrics.status_classes import ABORTED
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics, RouteMetrics
from pywatt_services.gateway.gateway_context import GatewayContext
from pywatt_services.gateway.proxy_exchange import Downstream, ProxyExchange, failure_status
from pywatt_services.gateway.proxy_state import RESPONDING, TUNNEL
from pywatt_services.gateway.routes import Route


def counted_exchange(metrics: GatewayMetrics) -> type[ProxyExchange]:
    """Return the class of exchanges that count into these metrics."""
    clock, of = metrics.clock, metrics.of

    class CountedExchange(ProxyExchange):
        __slots__ = ("_begun", "_counted", "_dialed", "_metrics", "_status_class", "_waits")

        def __init__(
            self, downstream: Downstream, context: GatewayContext, request: RequestHead, route: Route, base_path: bytes
        ) -> None:
            super().__init__(downstream, context, request, route, base_path)
            self._metrics: RouteMetrics = of(route)
            self._counted = self._dialed = self._waits = False
            self._status_class = ABORTED
            self._begun = clock()

        def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
            self._metrics.in_flight.add()
            super().start(path, client, body, ended)

        def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
            self._status_class = head.status // 100
            if ended:
                self._count(self._status_class)
            super().on_response(head, body, ended)

        def on_body(self, body: bytes, ended: bool) -> None:
            if ended:
                self._count(self._status_class)
            super().on_body(body, ended)

        def cancel(self) -> None:
            self._count(ABORTED)
            super().cancel()

        def end_events(self) -> None:
            if self.state is RESPONDING:
                self._count(self._status_class)
            super().end_events()

        def end_tunnel(self) -> None:
            self._metrics.websockets.add(-1)
            super().end_tunnel()

        def on_failure(self, error: MeshError, retriable: bool) -> None:
            if self.state is TUNNEL:
                self._metrics.websockets.add(-1)
            elif self.state is RESPONDING:
                self._count(ABORTED)
            super().on_failure(error, retriable)

        def _dial(self) -> None:
            self._waits = self._dialed = True
            self._metrics.waiting.add()
            super()._dial()

        def _opened(self, connection: ClientConnection) -> None:
            if self._dialed:
                self._dialed = False
                self._end_wait()
                self._metrics.opened.add()
            else:
                self._metrics.reused.add()
            super()._opened(connection)

        def _upgrade(self, head: ResponseHead) -> None:
            super()._upgrade(head)
            if self.state is TUNNEL:
                self._count(SWITCHING_PROTOCOLS // 100)
                self._metrics.websockets.add()

        def _fail(self, error: MeshError) -> None:
            status = failure_status(error)
            self._metrics.refused(status)
            self._count(status // 100, refused=True)
            super()._fail(error)

        def _end_wait(self) -> None:
            if self._waits:
                self._waits = False
                self._metrics.waiting.add(-1)

        def _count(self, status_class: int, *, refused: bool = False) -> None:
            if self._counted:
                return
            self._counted = True
            self._end_wait()
            metrics, seconds = self._metrics, clock() - self._begun
            metrics.in_flight.add(-1)
            for value in metrics.answers(self._request.method, status_class, refused=refused):
                value.add()
            metrics.seconds.observe(seconds)
            if metrics.mesh_seconds is not None:
                metrics.mesh_seconds.observe(seconds)

    return CountedExchange
