"""A SERVER span for each request that is sampled, unless it is for the admin API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pywatt.telemetry.http_attributes import is_server_error, server_attributes, span_name
from pywatt.telemetry.messaging import PARENT_HEADERS, decide, parent_headers
from pywatt.telemetry.sampling import root_traces
from pywatt.telemetry.trace_context import NOT_SAMPLED, PARENT_LENGTH, TRACEPARENT
from pywatt.telemetry.tracing import Span, Tracing
from pywatt_services.kafka_hooks.http.exchange import Handler, HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.tracing.recorded_exchange import RecordedExchange

_PARENT = frozenset(name.encode() for name in PARENT_HEADERS)


class TracedRouter:
    """Routes requests, and records it."""

    def __init__(
        self,
        router: Handler,
        tracing: Tracing,
        *,
        is_own: Callable[[Request], bool],
        route_of: Callable[[Request], str],
    ) -> None:
        """`is_own`: tells requests that get no span. `route_of`: the pattern of a request's route, empty for none."""
        self._router = router
        self._tracing = tracing
        self._is_own = is_own
        self._route_of = route_of
        self._begin = root_traces(tracing.sampler)
        self._follows_parent = tracing.sampler is not None and tracing.sampler.follows_parent

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        """Respond now or later."""
        parents = [value for name, value in request.headers if name == TRACEPARENT]
        if not parents:
            begun = self._begin()
            if isinstance(begun, bytes):
                traced = replace(request, headers=[*request.headers, (TRACEPARENT, begun)])
                self._router.handle(traced, exchange)  # those who read the record must not decide anew
            else:
                self._record(request, exchange, begun)
            return
        parent = parents[0]
        if self._follows_parent and len(parents) == 1 and len(parent) == PARENT_LENGTH and parent[53:] in NOT_SAMPLED:
            self._router.handle(request, exchange)
            return
        decision = decide(request.headers, self._tracing.sampler)
        if decision.is_sampled:
            self._record(request, exchange, decision.trace_id)
        else:
            self._router.handle(request, exchange)

    def _record(self, request: Request, exchange: HooksExchange, trace_id: int) -> None:
        if self._is_own(request) or self._tracing.skips(request.method, request.path):
            self._router.handle(request, exchange)
            return
        route = self._route_of(request)
        host = next((value.decode("latin-1") for name, value in request.headers if name == b"host"), "")
        attributes: dict[str, Any] = server_attributes(
            request.method, request.path, request.query, host, request.headers
        )
        if route:
            attributes["http.route"] = route
        span = self._tracing.spans.server(span_name(request.method, route), request.headers, attributes, trace_id)
        kept = [header for header in request.headers if header[0] not in _PARENT]
        traced = replace(request, headers=[*kept, *parent_headers(span.context)])
        self._router.handle(traced, RecordedExchange(exchange, span, describe=_describe))


def _describe(span: Span, response: HttpResponse) -> None:
    span.set({"http.response.status_code": response.status})
    if is_server_error(response.status):
        span.fail(str(response.status))
