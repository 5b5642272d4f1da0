"""The counters of a gateway and its routes, each resolved once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping

from pywatt.mesh.address import ServiceAddress
from pywatt.metrics import families
from pywatt.metrics.recorder import Histogram, Observe, Recorder
from pywatt.metrics.status_classes import OTHER, class_label, method_label
from pywatt_services.gateway.routes import Route


class RouteMetrics:
    """The counters of one route."""

    __slots__ = ("_callee", "_name", "_recorder", "durations", "opened", "waiting", "websockets")

    def __init__(self, recorder: Recorder, route: Route) -> None:
        self._recorder = recorder
        self._name = name = route.id
        destination = route.destination
        self._callee = destination.id if isinstance(destination, ServiceAddress) else ""
        self.durations: dict[tuple[bytes, int], Observe] = {}
        """Those that were used before, by method and class of the status."""
        self.waiting = recorder.value(families.GATEWAY_WAITING, name)
        self.websockets = recorder.value(families.GATEWAY_WEBSOCKETS, name)
        self.opened = recorder.value(families.GATEWAY_CONNECTIONS, name)

    def histogram(self, method: bytes, status_class: int) -> Histogram:
        """Return the durations of requests of a method that were answered with a class of status, or ABORTED."""
        known = method_label(method)
        labels = self._name, self._callee, known, class_label(status_class)
        histogram = self._recorder.histogram(families.GATEWAY_SECONDS, *labels)
        if known != OTHER:
            self.durations[method, status_class] = histogram.observe
        return histogram

    def refused(self, status: int) -> None:
        """Count a request that the gateway has answered itself."""
        self._recorder.value(families.GATEWAY_REFUSED, self._name, str(status)).add()

    def retried(self, cause: str) -> None:
        """Count a request that is sent again."""
        self._recorder.value(families.GATEWAY_RETRIES, self._name, cause).add()


class GatewayMetrics:
    """The counters of a gateway."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.unrouted = recorder.value(families.GATEWAY_UNROUTED)
        self.routes: dict[str, RouteMetrics] = {}
        """The counters of the routes that were used, by id; routes to one service share them."""
        self._recorder = recorder

    def add_route(self, route: Route) -> RouteMetrics:
        """Return the counters of a route that is used for the first time."""
        found = self.routes[route.id] = RouteMetrics(self._recorder, route)
        return found

    def read_in_flight(self, in_flight: Callable[[], Counter[str]]) -> None:
        """Have the requests that are being served counted every few seconds, by the id of their routes."""

        def refresh() -> None:
            found: Mapping[str, int] = in_flight()
            for name in self.routes:
                self._recorder.value(families.GATEWAY_IN_FLIGHT, name).set(found.get(name, 0))

        self._recorder.before_reading(refresh)
