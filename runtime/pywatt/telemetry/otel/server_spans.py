"""One SERVER span per request, also where a framework or an instrumentation begins another: it gets the worker's.

FastAPI, Starlette's middleware and OpenTelemetry's instrumentations of frameworks begin a span of kind SERVER for each
request, with the same parent as the worker's, and know the route best.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar, Token
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.sdk.trace import Tracer, TracerProvider
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags


class ServedRequest(Protocol):
    """A request whose spans of kind SERVER are one."""

    def join(self, asked: SpanContext) -> Any:
        """Return the span for an instrumentation that asks for a child of another; None: it gets one of its own."""
        ...


_served: ContextVar[ServedRequest | None] = ContextVar("pywatt_served_request", default=None)
_ids = RandomIdGenerator()


def enter_served(request: ServedRequest) -> Token[ServedRequest | None]:
    """Note the request that the running task serves."""
    return _served.set(request)


def leave_served(token: Token[ServedRequest | None]) -> None:
    """Note that it is served."""
    _served.reset(token)


class SkippedRequest:
    """A request that is to have no span."""

    def join(self, asked: SpanContext) -> Any:
        """Return a span that is not recorded, in a trace whose further spans are not either."""
        trace_id = asked.trace_id or _ids.generate_trace_id()
        span_id = asked.span_id or _ids.generate_span_id()
        return NonRecordingSpan(SpanContext(trace_id, span_id, False, TraceFlags(0), asked.trace_state))


class WorkerTracer(Tracer):  # type: ignore[misc]  # Any where it is not installed
    """A tracer of the application's, or of a library's."""

    def __init__(self, tracer: Tracer) -> None:
        # The same state, so that later changes of its configuration count here too.
        object.__setattr__(self, "__dict__", vars(tracer))

    def start_span(
        self,
        name: str,
        context: Any = None,
        kind: Any = SpanKind.INTERNAL,
        attributes: Any = None,
        links: Sequence[Any] | None = (),
        *args: Any,
        **options: Any,
    ) -> Any:
        """Begin a span; one of kind SERVER for the request that is served is the worker's."""
        if kind is SpanKind.SERVER:
            served = _served.get()
            joined = None if served is None else served.join(trace.get_current_span(context).get_span_context())
            if joined is not None:
                joined.update_name(name)
                _describe(joined, attributes or {}, links or ())
                return joined
        return super().start_span(name, context, kind, attributes, links, *args, **options)


def _describe(span: Any, attributes: Any, links: Sequence[Any]) -> None:
    # The worker's attributes stay: values of their query parameters may be hidden.
    known = getattr(span, "attributes", None) or {}
    span.set_attributes({name: value for name, value in attributes.items() if name not in known})
    for link in links:
        span.add_link(link.context, link.attributes)


class WorkerTracerProvider(TracerProvider):  # type: ignore[misc]
    """Gives the application and its libraries their tracers."""

    def get_tracer(self, *args: Any, **options: Any) -> Any:
        """Return a tracer."""
        tracer = super().get_tracer(*args, **options)
        return WorkerTracer(tracer) if type(tracer) is Tracer else tracer

    def own_tracer(self, name: str) -> Any:
        """Return the tracer of the worker itself, whose SERVER spans are those of requests."""
        return super().get_tracer(name)
