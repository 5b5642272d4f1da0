"""Spans that are made directly are the same as those of the SDK's own tracer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.sampling import TRACE_ID_LIMIT, HeadSampler
from pywatt.telemetry.sdk import SdkSpan, SdkSpans
from pywatt.telemetry.trace_context import TraceContext

PARENT = (b"traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
STATE = (b"tracestate", b"vendor=1")
BAGGAGE = (b"baggage", b"tenant=7")
LINK = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b8", 1)

Act = Callable[[SdkSpan], None]


def left_alone(span: SdkSpan) -> None:
    """Do nothing."""


def described(span: SdkSpan) -> None:
    span.set({"http.response.status_code": 500})
    span.rename("GET /orders")
    span.fail("500", "it failed")


def described_by_others(span: SdkSpan) -> None:
    span.otel.set_attribute("user.id", "7")
    span.otel.set_attributes({"list": ["a", "b"], "nested": {"a": 1}})
    span.set({"http.route": "/orders"})
    span.otel.add_event("seen", {"a": 1})
    span.record(ValueError("wrong"))
    span.otel.add_link(SpanContext(1, 2, is_remote=True), {"a": 1})
    span.otel.set_status(StatusCode.OK)


def made(sampler: HeadSampler | None, make: Callable[[SdkSpans], SdkSpan], act: Act) -> dict[str, Any]:
    """Return a span as JSON, without ids and times that differ."""
    provider = WorkerTracerProvider(shutdown_on_exit=False, sampler=sampling.ParentBased(sampling.ALWAYS_ON))
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = make(SdkSpans(provider, sampler))
    act(span)
    span.end()
    span.end()
    span.set({"too": "late"})
    (exported,) = exporter.get_finished_spans()
    assert exported.context is not None
    assert exported.context.span_id
    assert exported.start_time is not None
    assert exported.end_time is not None
    assert exported.start_time <= exported.end_time
    document: dict[str, Any] = json.loads(exported.to_json())
    document["flags"] = int(exported.context.trace_flags)
    document["dropped"] = exported.dropped_attributes, exported.dropped_events, exported.dropped_links
    if exported.parent is None:
        del document["context"]["trace_id"]
    del document["context"]["span_id"], document["start_time"], document["end_time"], document["resource"]
    for event in document["events"]:
        del event["timestamp"]
        event["attributes"].pop("exception.stacktrace", None)
    return document


@pytest.mark.parametrize("act", [left_alone, described, described_by_others])
@pytest.mark.parametrize("fields", [[], [PARENT], [PARENT, STATE], [PARENT, BAGGAGE]])
def test_they_are_those_of_the_sdk(act: Act, fields: list[tuple[bytes, bytes]]) -> None:
    def make(spans: SdkSpans) -> SdkSpan:
        return spans.consumer("process orders", fields, [LINK], {"http.request.method": "GET", "count": 3})

    plain = HeadSampler(TRACE_ID_LIMIT, follows_parent=True)
    assert SdkSpans(WorkerTracerProvider(shutdown_on_exit=False), plain)._plain is not None
    assert made(plain, make, act) == made(None, make, act)


def test_a_child_belongs_to_its_parent() -> None:
    spans = SdkSpans(WorkerTracerProvider(shutdown_on_exit=False), HeadSampler(TRACE_ID_LIMIT, follows_parent=True))
    parent = spans.server("GET", [PARENT, STATE], {})
    child = spans.client("POST", parent, {})
    recorded: Any = child.otel
    assert recorded.parent == parent.otel.get_span_context()
    assert child.context.trace_id == parent.context.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert child.context.tracestate == "vendor=1"


@pytest.mark.parametrize("name", ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"])
def test_limits_are_kept(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "3")
    provider = WorkerTracerProvider(shutdown_on_exit=False)
    span = SdkSpans(provider, HeadSampler(TRACE_ID_LIMIT, follows_parent=True)).server(
        "GET", [], {"a": "12345", "b": "12345", "c": "12345", "d": "12345"}
    )
    recorded: Any = span.otel
    attributes = recorded.attributes
    assert len(attributes) == 3 or set(attributes.values()) == {"123"}


def test_a_trace_that_is_not_sampled() -> None:
    spans = SdkSpans(WorkerTracerProvider(shutdown_on_exit=False), HeadSampler(0, follows_parent=True))
    span = spans.server("GET", [], {})
    assert not span.otel.is_recording()
    assert not span.context.sampled
    assert span.otel.get_span_context().is_valid
