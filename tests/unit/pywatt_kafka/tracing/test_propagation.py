"""The trace context in the headers of records."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from pywatt_kafka.tracing.propagation import context_of, header_pairs, link_to, with_context

OWN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OURS = "00-00000000000000000000000000000001-0000000000000002-01"
CONTEXT = baggage.set_baggage(
    "tenant", "a", set_span_in_context(NonRecordingSpan(SpanContext(1, 2, False, TraceFlags(1))), Context())
)


def test_context_and_baggage_go_into_the_headers() -> None:
    assert with_context([("a", b"1")], CONTEXT) == [
        ("a", b"1"),
        ("traceparent", OURS.encode()),
        ("baggage", b"tenant=a"),
    ]


@pytest.mark.parametrize("name", ["traceparent", "TraceParent", "tracestate"])
def test_context_that_the_user_set_stays_the_only_one(name: str) -> None:
    assert with_context([(name, b"x")], CONTEXT) == [(name, b"x"), ("baggage", b"tenant=a")]


def test_baggage_that_the_user_set_stays() -> None:
    assert [name for name, _ in with_context([("baggage", b"b=1")], CONTEXT)] == ["baggage", "traceparent"]


@pytest.mark.parametrize(
    ("headers", "pairs"),
    [
        (None, []),
        ({"a": "1"}, [("a", "1")]),
        (iter([("a", b"1")]), [("a", b"1")]),
        ([("a",)], None),
        (7, None),
    ],
)
def test_headers_of_all_forms_become_pairs_and_wrong_ones_are_left_to_the_client(headers: Any, pairs: Any) -> None:
    assert header_pairs(headers) == pairs


@pytest.mark.parametrize("value", [OWN, OWN.encode()])
def test_link_leads_to_the_context_of_a_record(value: str | bytes) -> None:
    context = context_of([("odd", b"\xff"), (b"\xff", b"1"), ("Traceparent", value), ("traceparent", OURS)])
    assert trace.get_current_span(context).get_span_context().trace_id == int(OWN[3:35], 16)
    assert link_to(context).context.span_id == int(OWN[36:52], 16)


@pytest.mark.parametrize("value", [None, b"\xff\xfe", b"", b"00-zz"])
def test_header_that_is_no_context_gives_no_link(value: bytes | None) -> None:
    assert link_to(context_of([("traceparent", value), ("baggage", b"\xff")])) is None
