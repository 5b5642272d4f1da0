"""The counters of a gateway and its routes, each resolved once."""

from __future__ import annotations

import time
from collections.abc import Callable

from pywatt.mesh.address import ServiceAddress
from pywatt.metrics import families
from pywatt.metrics.recorder import Recorder, Value
from pywatt.metrics.status_classes import OTHER, class_label, method_label
from pywatt_services.gateway.routes import Route


class RouteMetrics:
    """The counters of one route."""

    __slots__ = (
        "_answers",
        "_callee",
        "_recorder",
        "_route",
        "in_flight",
        "mesh_seconds",
        "opened",
        "reused",
        "seconds",
        "waiting",
        "websockets",
    )

    def __init__(self, recorder: Recorder, route: Route) -> None:
        name = route.id
        self.seconds = recorder.histogram(families.GATEWAY_SECONDS, name)
        self.in_flight = recorder.value(families.GATEWAY_IN_FLIGHT, name)
        self.waiting = recorder.value(families.GATEWAY_WAITING, name)
        self.websockets = recorder.value(families.GATEWAY_WEBSOCKETS, name)
        self.reused = recorder.value(families.GATEWAY_CONNECTIONS, name, "true")
        self.opened = recorder.value(families.GATEWAY_CONNECTIONS, name, "false")
        destination = route.destination
        self._callee = destination.id if isinstance(destination, ServiceAddress) else None
        self.mesh_seconds = None if self._callee is None else recorder.histogram(families.MESH_SECONDS, self._callee)
        self._recorder = recorder
        self._route = name
        self._answers: dict[tuple[bytes, int], tuple[Value, ...]] = {}

    def answers(self, method: bytes, status_class: int, *, refused: bool = False) -> tuple[Value, ...]:
        """Return the counters of answers to requests of a method with a class of status, or ABORTED.

        `refused`: the answer is the gateway's own, since the service has given none.
        """
        found = self._answers.get((method, status_class))
        if found is not None and not refused:
            return found
        known, text = method_label(method), class_label(status_class)
        values = [self._recorder.value(families.GATEWAY_REQUESTS, self._route, known, text)]
        if self._callee is not None:
            values.append(self._recorder.value(families.MESH_REQUESTS, self._callee, "error" if refused else text))
        if known != OTHER and not refused:
            self._answers[method, status_class] = tuple(values)
        return tuple(values)

    def refused(self, status: int) -> None:
        """Count a request that the gateway has answered itself."""
        self._recorder.value(families.GATEWAY_REFUSED, self._route, str(status)).add()


class GatewayMetrics:
    """The counters of a gateway."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.unrouted = recorder.value(families.GATEWAY_UNROUTED)
        self._recorder = recorder
        self._routes: dict[str, RouteMetrics] = {}

    def of(self, route: Route) -> RouteMetrics:
        """Return the counters of a route; those of one service share them."""
        found = self._routes.get(route.id)
        if found is None:
            found = self._routes[route.id] = RouteMetrics(self._recorder, route)
        return found
