"""Our encoder of spans writes what OpenTelemetry's does."""

from __future__ import annotations

from typing import Any

from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from pywatt.telemetry.exporters import MemoryExporter, memory
from pywatt.telemetry.otel.otlp_encoding import SpanEncoder

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
VALUES = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.lists(st.integers(0, 9), max_size=3)

provider = TracerProvider(resource=Resource({"service.name": "shop", "n": 1}))
provider.add_span_processor(SimpleSpanProcessor(MemoryExporter()))
tracers = [provider.get_tracer("pywatt"), provider.get_tracer("other", "1.2")]


def linked(state: str, remote: bool) -> Link:
    trace_state = TraceState.from_header([state]) if state else None
    return Link(SpanContext(2**127 + 5, 7, is_remote=remote, trace_flags=TraceFlags(1), trace_state=trace_state))


SPANS = st.fixed_dictionaries(
    {
        "tracer": st.integers(0, 1),
        "name": TEXT,
        "kind": st.sampled_from(list(SpanKind)),
        "attributes": st.dictionaries(TEXT.filter(bool), VALUES, max_size=5),
        "links": st.lists(st.builds(linked, st.sampled_from(["", "a=1"]), st.booleans()), max_size=2),
        "error": st.sampled_from([None, "", "why"]),
        "event": st.booleans(),
    }
)


def readable(given_span: dict[str, Any]) -> Any:
    span = tracers[given_span["tracer"]].start_span(
        given_span["name"],
        context=Context(),
        kind=given_span["kind"],
        attributes=given_span["attributes"],
        links=given_span["links"],
    )
    if given_span["error"] is not None:
        span.set_status(Status(StatusCode.ERROR, given_span["error"] or None))
    if given_span["event"]:
        span.add_event("happened", {"a": 1})
    span.end()
    return memory[-1]


def spans_of(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return resource, scope and span of each, in the order of their ids."""
    request = ExportTraceServiceRequest.FromString(data)
    found = []
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                key = (resource.resource.SerializeToString(deterministic=True), scope.scope.SerializeToString())
                found.append((*key, span.SerializeToString(deterministic=True)))
    return sorted(found)


@fuzz
@given(st.lists(SPANS, min_size=1, max_size=4))
def test_the_same_spans_come_out(given_spans: list[dict[str, Any]]) -> None:
    spans = [readable(each) for each in given_spans]
    encoder = SpanEncoder(encode_spans)
    theirs = encode_spans(spans).SerializeToString()
    assert spans_of(encoder(spans).SerializeToString()) == spans_of(theirs)
    assert spans_of(encoder(spans).SerializePartialToString()) == spans_of(theirs)


def test_plain_spans_are_not_left_to_the_other_encoder() -> None:
    calls: list[int] = []

    def counting(spans: Any) -> Any:
        calls.append(len(spans))
        return encode_spans(spans)

    encoder = SpanEncoder(counting)
    plain = {"tracer": 0, "name": "GET", "kind": SpanKind.SERVER, "links": [], "error": None, "event": False}
    spans = [readable({**plain, "attributes": {"a": "b", "n": 200}}) for _ in range(5)]
    encoder(spans)
    encoder(spans)
    assert calls == [1]  # for the resource and the scope
