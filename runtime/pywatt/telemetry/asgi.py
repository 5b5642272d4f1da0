"""SERVER spans of an ASGI application; imported in workers with spans only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from opentelemetry import context as otel_context

from pywatt.telemetry.http_attributes import (
    hidden_query,
    host_and_port,
    is_server_error,
    method_attributes,
    span_name,
)
from pywatt.telemetry.otel.server_spans import SkippedRequest, enter_served, leave_served
from pywatt.telemetry.sampling import root_traces
from pywatt.telemetry.sdk import SdkSpan, SdkSpans
from pywatt.telemetry.trace_context import NOT_SAMPLED, PARENT_LENGTH, TRACEPARENT, enter_request
from pywatt.telemetry.tracing import Tracing

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def traced(app: Application, tracing: Tracing) -> Application:
    """Return the application with a span for each request that is sampled."""
    begin = root_traces(tracing.sampler)
    skips = tracing.skips if tracing.skip else None
    follows_parent = tracing.sampler is not None and tracing.sampler.follows_parent

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "lifespan":
            return app(scope, receive, send)
        fields = scope["headers"]
        parent = None
        if fields and fields[-1][0] == TRACEPARENT:  # where the gateway writes it
            parent = fields[-1][1]
        else:
            for name, value in fields:
                if name == TRACEPARENT:
                    parent = value
        trace_id = 0
        if parent is None:
            begun = begin()
            if isinstance(begun, bytes):
                if type(fields) is list:
                    fields.append((TRACEPARENT, begun))  # to the request's fields too, which are the same list
                else:
                    enter_request([*fields, (TRACEPARENT, begun)])
                return app(scope, receive, send)
            trace_id = begun
        elif follows_parent and parent[53:] in NOT_SAMPLED and len(parent) == PARENT_LENGTH:
            return app(scope, receive, send)  # its headers say so
        if skips is not None and skips(scope.get("method", "GET"), scope["path"]):
            return _serve_skipped(app, scope, receive, send)
        return _serve_sampled(app, tracing, trace_id, scope, receive, send)

    return serve


async def _serve_skipped(app: Application, scope: Scope, receive: Receive, send: Send) -> None:
    served = enter_served(SkippedRequest())
    try:
        await app(scope, receive, send)
    finally:
        leave_served(served)


async def _serve_sampled(
    app: Application, tracing: Tracing, trace_id: int, scope: Scope, receive: Receive, send: Send
) -> None:
    spans = tracing.spans
    assert isinstance(spans, SdkSpans)
    method = scope.get("method", "GET")
    span = spans.server(span_name(method), scope["headers"], _attributes(scope, method), trace_id)
    token = otel_context.attach(span.as_current())
    served = enter_served(span)
    response = _Response(span, scope, method, send)
    try:
        await app(scope, receive, response.send)
    except BaseException as error:
        response.failed(error)
        raise
    finally:
        response.name()
        span.end()
        leave_served(served)
        otel_context.detach(token)


class _Response:
    """Notes the response's status and its end."""

    def __init__(self, span: SdkSpan, scope: Scope, method: str, send: Send) -> None:
        self._span, self._scope, self._method, self._send = span, scope, method, send
        self._started = False

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._note(message["status"])
        elif kind == "websocket.accept":
            self._note(101)
        elif kind == "websocket.http.response.start":
            self._note(message["status"])
        if kind == "http.response.body" and not message.get("more_body"):
            self.name()
            self._span.finish()  # before the last bytes, so that the caller's span does not end earlier
        await self._send(message)

    def failed(self, error: BaseException) -> None:
        """Note an error of the application."""
        if not self._started and self._scope["type"] == "http" and isinstance(error, Exception):
            self._note(500)  # the server's own response
        self._span.record(error)
        self._span.fail(type(error).__qualname__)

    def name(self) -> None:
        """Name the span by the route, which frameworks put into the scope, unless an instrumentation has."""
        route = getattr(self._scope.get("route"), "path", None)
        if isinstance(route, str) and not self._span.has("http.route"):
            self._span.rename(span_name(self._method, route))
            self._span.set({"http.route": route})

    def _note(self, status: int) -> None:
        self._started = True
        self._span.set({"http.response.status_code": status})
        if is_server_error(status):
            self._span.fail(str(status))


def _attributes(scope: Scope, method: str) -> dict[str, Any]:
    headers = dict(scope["headers"])
    scheme = scope.get("scheme", "http")
    attributes = {
        **method_attributes(method),
        "url.scheme": scheme,
        "url.path": scope["path"],
        "network.protocol.version": scope.get("http_version", "1.1"),
        **host_and_port(headers.get(b"host", b"").decode("latin-1"), _PORTS.get(scheme)),
    }
    query = scope.get("query_string", b"")
    if query:
        attributes["url.query"] = hidden_query(query.decode("latin-1"))
    client = scope.get("client")
    if client and client[0]:
        attributes["client.address"] = client[0]
    agent = headers.get(b"user-agent")
    if agent is not None:
        attributes["user_agent.original"] = agent.decode("latin-1")
    return attributes
