"""Spans by OpenTelemetry's SDK, in a worker: started after the fork, so that no exporter is lost with it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from time import time_ns
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)

from pywatt.telemetry.exporters import span_processor
from pywatt.telemetry.http_attributes import hidden_path, host_and_port, method_attributes, span_name
from pywatt.telemetry.instance import Instance
from pywatt.telemetry.otel.plain_spans import PlainSpan, plain_spans
from pywatt.telemetry.otel.runtime_context import install
from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.outgoing import OutgoingCall, RecordedCall, passing_call, record_calls
from pywatt.telemetry.sampling import HeadSampler, head_sampler
from pywatt.telemetry.settings import TelemetryConfig, exporters_for, service_name
from pywatt.telemetry.trace_context import BAGGAGE, TRACEPARENT, TRACESTATE, Fields, TraceContext, trace_of
from pywatt.telemetry.tracing import Attributes, Span, Tracing

SCOPE = "pywatt"
FLUSH = 3.0
"""Seconds that the last spans of a worker may take to be sent; a collector that is away must not hold up a stop."""

_W3C = frozenset((TRACEPARENT, TRACESTATE, BAGGAGE))
_configured = propagate.get_global_textmap()
_w3c_textmap = _configured if _configured.fields <= {name.decode() for name in _W3C} else None
"""The propagators, unless OTEL_PROPAGATORS (which counts at the import) names others than those of W3C."""
_FLAGS = [TraceFlags(flags) for flags in range(4)]
_chosen = threading.local()
_SUPPRESSED = tuple(
    key
    for name in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")
    if (key := getattr(otel_context, name, None)) is not None
)
"""Set in its context by exporters, whose own requests are not traced."""


class Ids(RandomIdGenerator):  # type: ignore[misc]  # Any where it is not installed
    """Random ids, but for a trace whose id and sampling were decided beforehand."""

    def generate_trace_id(self) -> int:
        """Return the id of a new trace."""
        chosen: int = getattr(_chosen, "trace_id", 0)
        if chosen:
            _chosen.trace_id = 0
            return chosen
        generated: int = super().generate_trace_id()
        return generated


class WorkerResource(Resource):  # type: ignore[misc]
    """A resource whose hash is computed once: exporters need it for each span."""

    @classmethod
    def of(cls, resource: Any) -> WorkerResource:
        """Return a copy of a resource."""
        return cls(dict(resource.attributes), resource.schema_url)

    def __hash__(self) -> int:
        known: int | None = self.__dict__.get("known_hash")
        if known is None:
            known = self.__dict__["known_hash"] = super().__hash__()
        return known

    def __eq__(self, other: object) -> bool:
        return other is self or bool(super().__eq__(other))


class SdkSpan:
    """A span of OpenTelemetry's."""

    __slots__ = ("failed", "finished", "joined", "otel", "parent")

    def __init__(self, otel: Any, parent: Any = None) -> None:
        self.otel = otel
        self.parent = parent
        """The context that it began in; None: the then current one."""
        self.joined = False
        """True if an instrumentation uses it too: see `pywatt.telemetry.otel.server_spans`."""
        self.failed = False
        self.finished: int | None = None
        """The time at which the request was over, in nanoseconds, if that was before the span's end is known."""

    @property
    def context(self) -> TraceContext:
        """Its identity, which goes into outgoing requests."""
        context = self.otel.get_span_context()
        state = context.trace_state.to_header() if context.trace_state else ""
        return TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags), state)

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        otel = self.otel
        if isinstance(otel, PlainSpan):
            otel.add_own(attributes)
        else:
            otel.set_attributes(attributes)

    def has(self, attribute: str) -> bool:
        """Return whether it has an attribute."""
        return attribute in (getattr(self.otel, "attributes", None) or ())

    def rename(self, name: str) -> None:
        """Give it another name."""
        self.otel.update_name(name)

    def fail(self, error_type: str, description: str = "") -> None:
        """Set the status to error."""
        self.failed = True
        self.set({"error.type": error_type})
        self.otel.set_status(Status(StatusCode.ERROR, description or None))

    def record(self, error: BaseException) -> None:
        """Add an event for an error."""
        self.otel.record_exception(error)

    def as_current(self) -> Any:
        """Return the context in which this span is the current one, with the baggage that came with the request."""
        return set_span_in_context(self.otel, self.parent)

    def finish(self) -> None:
        """Note that the response is complete, and end the span unless more is to be said about it.

        An instrumentation that uses it describes it first; a failed application raises its error afterwards.
        """
        self.finished = time_ns()
        if not self.joined and not self.failed:
            self.end()

    def join(self, asked: Any) -> Any:
        """Return OpenTelemetry's object to an instrumentation that asks for a SERVER span below another."""
        if not self.otel.is_recording():
            return None
        parent = get_current_span(self.parent).get_span_context()
        if asked.span_id not in (self.otel.get_span_context().span_id, parent.span_id):
            return None
        self.joined = True
        self.otel.end = self._described
        return self.otel

    def _described(self, end_time: int | None = None) -> None:
        """End the span for an instrumentation that uses it: not before its response is complete."""
        if self.finished is not None and not self.failed:
            self.end()

    def end(self) -> None:
        """End it; further calls have no effect."""
        otel, self.otel = self.otel, NonRecordingSpan(self.otel.get_span_context())
        if otel.is_recording():
            type(otel).end(otel, self.finished)


class SdkSpans:
    """Makes spans with one tracer."""

    def __init__(self, provider: WorkerTracerProvider, sampler: HeadSampler | None = None) -> None:
        """`sampler`: decides as that of the provider does; None: only the provider can decide."""
        self._tracer = provider.own_tracer(SCOPE)
        self._plain = plain_spans(self._tracer, sampler)

    def server(self, name: str, fields: Fields, attributes: Attributes, trace_id: int = 0) -> SdkSpan:
        """Begin a span of kind SERVER."""
        context = extract(fields)
        return SdkSpan(self.start(name, SpanKind.SERVER, context, attributes, trace_id), context)

    def producer(self, name: str, fields: Fields, attributes: Attributes, trace_id: int = 0) -> SdkSpan:
        """Begin a span of kind PRODUCER."""
        return SdkSpan(self.start(name, SpanKind.PRODUCER, extract(fields), attributes, trace_id))

    def consumer(
        self, name: str, fields: Fields, links: Iterable[TraceContext], attributes: Attributes, trace_id: int = 0
    ) -> SdkSpan:
        """Begin a span of kind CONSUMER."""
        context = extract(fields)
        to = [Link(_span_context(each)) for each in links]
        return SdkSpan(self.start(name, SpanKind.CONSUMER, context, attributes, trace_id, to), context)

    def client(self, name: str, parent: Span | None, attributes: Attributes) -> SdkSpan:
        """Begin a span of kind CLIENT."""
        if not isinstance(parent, SdkSpan):
            return SdkSpan(self.start(name, SpanKind.CLIENT, None, attributes))
        plain = self._plain
        if plain is not None:  # the context of the parent need not be made
            above = parent.otel.get_span_context()
            return SdkSpan(plain.start(name, SpanKind.CLIENT, above, None, attributes, 0, ()))
        return SdkSpan(self.start(name, SpanKind.CLIENT, parent.as_current(), attributes))

    def start(
        self, name: str, kind: Any, context: Any, attributes: Attributes, trace_id: int = 0, links: Sequence[Any] = ()
    ) -> Any:
        """Begin a span of any kind and return OpenTelemetry's object. `context`: None: the current one."""
        plain = self._plain
        if plain is not None:
            parent = get_current_span(context).get_span_context()
            return plain.start(name, kind, parent, context, attributes, trace_id, links)
        _chosen.trace_id = trace_id
        try:
            return self._tracer.start_span(name, context=context, kind=kind, attributes=attributes, links=links)
        finally:
            _chosen.trace_id = 0


def _span_context(context: TraceContext) -> Any:
    state = TraceState.from_header([context.tracestate]) if context.tracestate else None
    ids = int(context.trace_id, 16), int(context.span_id, 16)
    return SpanContext(*ids, is_remote=True, trace_flags=_FLAGS[context.flags], trace_state=state)


def context_of(fields: Fields, given: TraceContext | None) -> Any:
    """Return the context of OpenTelemetry for a request's headers, or for a trace without any."""
    if given is None:
        return extract(fields)
    return _context_below(given)


def _context_below(trace_context: TraceContext) -> Any:
    return set_span_in_context(NonRecordingSpan(_span_context(trace_context)), Context())


def extract(fields: Fields) -> Any:
    """Return the context of OpenTelemetry that a request's headers (names in lower case) describe."""
    if propagate.get_global_textmap() is _w3c_textmap and not any(name == BAGGAGE for name, _ in fields):
        trace_context = trace_of(fields)
        return Context() if trace_context is None else _context_below(trace_context)
    carrier: dict[str, list[str]] = {}
    for name, value in fields:
        carrier.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return propagate.extract(carrier, context=Context())


class MeshCalls:
    """Begins the calls of user code to other services."""

    def __init__(self, spans: SdkSpans) -> None:
        self._spans = spans

    def begin(self, method: str, host: str, path: str) -> OutgoingCall:
        """Begin a call, without a span where OpenTelemetry's context says that nothing is to be recorded."""
        if any(otel_context.get_value(key) for key in _SUPPRESSED):
            return passing_call()
        attributes = {
            **method_attributes(method),
            "url.full": f"http://{host}{hidden_path(path)}",
            **host_and_port(host, 80),
        }
        return RecordedCall(self._spans.client(span_name(method), None, attributes))


class Sdk:
    """The SDK in this worker."""

    def __init__(self, provider: Any, tracing: Tracing) -> None:
        self._provider = provider
        self.tracing = tracing

    def stop(self) -> None:
        """Send the last spans, for `FLUSH` seconds at the most."""
        # In a thread: the exporters' own limits are longer, and longer still when they try again.
        thread = threading.Thread(target=self._provider.shutdown, name="telemetry-flush", daemon=True)
        thread.start()
        thread.join(FLUSH)


def start(
    config: TelemetryConfig, environ: Mapping[str, str], *, app: str, service: str, slot: int, production: bool
) -> Sdk:
    """Make OpenTelemetry's tracer provider, also for the application's own spans. Raises PywattError."""
    attributes = {
        "service.name": service_name(config, environ, app=app, service=service),
        "service.namespace": config.application_name or app,
        "service.instance.id": str(Instance(service, slot, os.getpid())),
        "deployment.environment.name": "production" if production else "development",
    }
    if config.version:
        attributes["service.version"] = config.version
    resource = Resource.create(attributes)
    # What the user's variables say wins.
    resource = WorkerResource.of(Resource.create(attributes).merge(OTELResourceDetector().detect()))
    provider = WorkerTracerProvider(resource=resource, id_generator=Ids(), shutdown_on_exit=False)
    for exporter in exporters_for(config, environ):
        provider.add_span_processor(span_processor(exporter))
    trace.set_tracer_provider(provider)
    sampler = head_sampler(environ)
    spans = SdkSpans(provider, sampler)
    record_calls(MeshCalls(spans).begin)
    # Without a context of ours, requests that are not sampled have to be told so by OpenTelemetry's objects.
    if not install(context_of):
        sampler = None
    return Sdk(provider, Tracing(spans=spans, sampler=sampler, skip=config.skip))
