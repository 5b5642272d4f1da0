"""Spans of requests that are passed on: one of kind SERVER for the request, one of kind CLIENT for each attempt.

A request that is not sampled costs the decision, and the traceparent that tells the services of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import Header, Headers
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import ResponseHead
from pywatt.telemetry.http_attributes import (
    host_and_port,
    is_server_error,
    method_attributes,
    server_attributes,
    span_name,
)
from pywatt.telemetry.sampling import HeadSampler, root_traces
from pywatt.telemetry.trace_context import NOT_SAMPLED, PARENT_LENGTH, TRACEPARENT, TRACESTATE, trace_of
from pywatt.telemetry.tracing import Span, Tracing
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.gateway_context import Downstream, GatewayContext
from pywatt_services.gateway.proxy_exchange import OpenExchange, ProxyExchange, failure_status
from pywatt_services.gateway.proxy_state import ENDED, RESPONDING, TUNNEL
from pywatt_services.gateway.routes import Route

END = b"traceparent: %b\r\n\r\n"
"""The end of the head of a request that is not sampled."""
_OF_PARENT = (TRACEPARENT, TRACESTATE)


def traced_exchanges(tracing: Tracing, plain: type[ProxyExchange]) -> OpenExchange:
    """Return the function that begins to pass a request on, with spans if it is sampled.

    `plain`: the class of exchanges without spans, which those with spans build upon.
    """
    recorded = cast("type[TracedExchange]", type("TracedExchange", (TracedExchange, plain), {}))
    begin = root_traces(tracing.sampler, END)
    skips = tracing.skips if tracing.skip else None
    follows_parent = tracing.sampler is not None and tracing.sampler.follows_parent
    untraced: list[Header] = []
    """The last headers that had no traceparent: the reader gives the same list for the same block of headers."""

    def open_exchange(
        downstream: Downstream, context: GatewayContext, request: RequestHead, route: Route, base_path: bytes
    ) -> ProxyExchange:
        # The same decisions as those of `own_responses`.
        nonlocal untraced
        headers = request.headers
        parent = None
        if headers is not untraced:
            parent = _traceparent(headers)
        trace_id: bytes | int = 0
        if parent is None:
            untraced = headers
            trace_id = begin()
            if isinstance(trace_id, bytes):
                request.end = trace_id  # the services must not decide anew
                return plain(downstream, context, request, route, base_path)
        elif follows_parent and parent[53:] in NOT_SAMPLED and len(parent) == PARENT_LENGTH:
            return plain(downstream, context, request, route, base_path)
        if skips is not None and skips(request.method.decode(), request.path.decode("latin-1")):
            return plain(downstream, context, request, route, base_path)
        return recorded(downstream, context, request, route, base_path, tracing=tracing, trace_id=int(trace_id))

    return open_exchange


def own_responses(tracing: Tracing) -> Callable[[RequestHead, ClientAddress, int], None]:
    """Return what records a response that the gateway gives to a request without a route, by its status."""
    begin = root_traces(tracing.sampler)

    def record(request: RequestHead, client: ClientAddress, status: int) -> None:
        fields = [(name.lower(), value) for name, value in request.headers]
        sampler, parent, trace_id = tracing.sampler, trace_of(fields), 0
        if parent is None:
            begun = begin()
            if isinstance(begun, bytes):
                return
            trace_id = begun
        elif sampler is not None and not sampler.samples(int(parent.trace_id, 16), parent.sampled):
            return
        method = request.method.decode()
        if tracing.skips(method, request.path.decode("latin-1")):
            return
        attributes = _attributes(request, method, fields)
        if client.ip:
            attributes["client.address"] = client.ip.decode()
        span = tracing.spans.server(span_name(method), fields, attributes, trace_id)
        span.set({"http.response.status_code": status})
        if is_server_error(status):
            span.fail(str(status))
        span.end()

    return record


def exchanges_with_trace(plain: type[ProxyExchange]) -> OpenExchange:
    """Return the function that begins to pass a request on, with a new traceparent if it has none, and without spans.

    The trace counts as not sampled: it is for log records.
    """
    begin = root_traces(HeadSampler(0, follows_parent=True), END)

    def open_exchange(
        downstream: Downstream, context: GatewayContext, request: RequestHead, route: Route, base_path: bytes
    ) -> ProxyExchange:
        if _traceparent(request.headers) is None:
            request.end = cast("bytes", begin())
        return plain(downstream, context, request, route, base_path)

    return open_exchange


class TracedExchange(ProxyExchange):
    """Passes a request on, and records it."""

    # Without slots, which would keep it from being joined with another class that has some: see `traced_exchanges`.

    def __init__(
        self,
        downstream: Downstream,
        context: GatewayContext,
        request: RequestHead,
        route: Route,
        base_path: bytes,
        *,
        tracing: Tracing,
        trace_id: int,
    ) -> None:
        """`trace_id`: of a trace that begins here; 0: the headers name one, or OpenTelemetry makes one."""
        fields = [(name.lower(), value) for name, value in request.headers]
        # Of several traceparents none counts, and each attempt has one of its own.
        passed = [header for header, (name, _) in zip(request.headers, fields, strict=True) if name not in _OF_PARENT]
        super().__init__(downstream, context, replace(request, headers=passed), route, base_path)
        self._tracing = tracing
        method = request.method.decode()
        name = span_name(method, _route_name(route))
        attributes = {
            **_attributes(request, method, fields),
            "http.route": _route_name(route),
            "pywatt.upstream": route.id,
        }
        self._server_span = tracing.spans.server(name, fields, attributes, trace_id)
        self._attempt: Span | None = None
        self._attempts = 0
        self._ended = False
        self._untraced_head = self._traced_head = b""

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on."""
        if client.ip:
            self._server_span.set({"client.address": client.ip.decode()})
        if client.scheme != b"http":
            version = {"network.protocol.version": "2"} if client.http2 else {}
            self._server_span.set({"url.scheme": client.scheme.decode(), **version})
        super().start(path, client, body, ended)

    def cancel(self) -> None:
        """Give up: the client is gone, or was responded to."""
        super().cancel()
        if not self._ended:
            self._end_attempt("cancelled")
            self._end("cancelled")

    def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Respond in place of the service."""
        self._end_attempt("cancelled")
        self._server_span.set({"http.response.status_code": status})
        if is_server_error(status):
            self._server_span.fail(str(status))
        self._end()
        super().answer(status, headers, body)

    def end_tunnel(self) -> None:
        """Close the service's side of a tunnel once everything was sent."""
        super().end_tunnel()
        self._end()

    def expire(self) -> None:
        """Give up on a service that does not respond."""
        self._end_attempt("timeout")
        self._server_span.set({"http.response.status_code": 504})
        self._end("timeout")
        super().expire()

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, with the part of the body that came with it."""
        status = {"http.response.status_code": head.status}
        self._server_span.set(status)
        if self._attempt is not None:
            self._attempt.set(status)
            if head.status >= 400:
                self._attempt.fail(str(head.status))
        if is_server_error(head.status):
            self._server_span.fail(str(head.status))
        super().on_response(head, body, ended)
        if self.state is ENDED or (ended and self.state is RESPONDING):  # the client may still be getting it
            self._end()

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        super().on_body(body, ended)
        if ended:
            self._end()

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Try again where nothing can have happened, else end the response or respond with an error."""
        if not self._ended:
            self._end_attempt(type(error).__name__, error.message)
        state = self.state
        super().on_failure(error, retriable)
        if state is RESPONDING:
            self._end(type(error).__name__, error.message)
        elif state is TUNNEL:
            self._end()

    def _opened(self, connection: ClientConnection) -> None:
        request, route = self._request, self._route
        method = request.method.decode()
        attributes: dict[str, Any] = {
            **method_attributes(method),
            "url.full": f"http://{route.authority.decode()}{route.upstream_path(request.path).decode('latin-1')}",
            **host_and_port(route.authority.decode(), 80),
        }
        if self._attempts:
            attributes["http.request.resend_count"] = self._attempts
        if self._head is not self._traced_head:  # another upstream may get another head
            self._untraced_head = self._head
        self._attempts += 1
        self._attempt = self._tracing.spans.client(span_name(method), self._server_span, attributes)
        context = self._attempt.context
        lines = f"traceparent: {context.traceparent}\r\n"
        if context.tracestate:
            lines += f"tracestate: {context.tracestate}\r\n"
        self._head = self._traced_head = b"%b%b\r\n" % (self._untraced_head[:-2], lines.encode())
        super()._opened(connection)

    def _retrying(self, cause: str) -> None:
        self._end_attempt(cause)
        super()._retrying(cause)

    def _fail(self, error: MeshError) -> None:
        if not self._ended:
            self._server_span.set({"http.response.status_code": failure_status(error)})
            self._end_attempt(type(error).__name__, error.message)
            self._end(type(error).__name__, error.message)
        super()._fail(error)

    def _end_attempt(self, error_type: str = "", description: str = "") -> None:
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            if error_type:
                attempt.fail(error_type, description)
            attempt.end()

    def _end(self, error_type: str = "", description: str = "") -> None:
        self._ended = True
        self._end_attempt()
        if error_type:
            self._server_span.fail(error_type, description)
        self._server_span.end()


def _traceparent(headers: list[Header]) -> bytes | None:
    for name, value in headers:
        if len(name) == 11 and name.lower() == TRACEPARENT:
            return value
    return None


def _route_name(route: Route) -> str:
    mount = route.mount or b""
    return f"{mount.decode('latin-1')}/*"


def _attributes(request: RequestHead, method: str, fields: list[Header]) -> dict[str, Any]:
    path, authority = request.path.decode("latin-1"), request.authority.decode("latin-1")
    return {
        **server_attributes(method, path, request.query[1:], authority, fields),
        "network.protocol.version": f"1.{request.minor}",
    }
