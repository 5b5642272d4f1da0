"""Exports are read as OpenTelemetry's own library writes them, as protobuf and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from pywatt_services.dashboard.otlp.document import LONGEST_TEXT
from pywatt_services.dashboard.otlp.spans import spans_of_json, spans_of_protobuf

TRACE, SPAN, PARENT = bytes(range(16)), bytes(range(8)), bytes(range(1, 9))


def export() -> ExportTraceServiceRequest:
    values = {
        "text": AnyValue(string_value="<b>ü</b>"),
        "number": AnyValue(int_value=-3),
        "float": AnyValue(double_value=0.5),
        "flag": AnyValue(bool_value=True),
        "list": AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=1), AnyValue(string_value="a")])),
        "map": AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=AnyValue(string_value="v"))])),
        "long": AnyValue(string_value="x" * (LONGEST_TEXT + 1)),
    }
    span = Span(
        trace_id=TRACE,
        span_id=SPAN,
        parent_span_id=PARENT,
        name="GET /orders",
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=1_700_000_000_000_000_001,
        end_time_unix_nano=1_700_000_000_500_000_000,
        attributes=[KeyValue(key=key, value=value) for key, value in values.items()],
        events=[
            Span.Event(
                time_unix_nano=1_700_000_000_100_000_000,
                name="exception",
                attributes=[KeyValue(key="exception.type", value=AnyValue(string_value="ValueError"))],
            )
        ],
        links=[Span.Link(trace_id=TRACE[::-1], span_id=SPAN[::-1])],
        status=Status(code=Status.STATUS_CODE_ERROR, message="out of stock"),
    )
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="shop-api"))])
    scopes = [ScopeSpans(spans=[span])]
    return ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=scopes)])


def check(spans: list[Any]) -> None:
    (span,) = spans
    assert (span.trace, span.span, span.parent) == (TRACE.hex(), SPAN.hex(), PARENT.hex())
    assert (span.name, span.kind, span.service) == ("GET /orders", "server", "shop-api")
    assert (span.start, span.end) == (1_700_000_000_000_000_001, 1_700_000_000_500_000_000)
    assert (span.error, span.message) == (True, "out of stock")
    long = span.attributes.pop("long")
    assert len(long) == LONGEST_TEXT + 3
    assert span.attributes == {
        "text": "<b>ü</b>",
        "number": -3,
        "float": 0.5,
        "flag": True,
        "list": [1, "a"],
        "map": {"k": "v"},
    }
    assert span.events[0]["name"] == "exception"
    assert span.events[0]["attributes"] == {"exception.type": "ValueError"}
    assert span.links == ({"trace": TRACE[::-1].hex(), "span": SPAN[::-1].hex()},)


def test_protobuf() -> None:
    check(list(spans_of_protobuf(export().SerializeToString())))


def test_json() -> None:
    document: dict[str, Any] = MessageToDict(export())
    span = document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    span |= {"traceId": TRACE.hex(), "spanId": SPAN.hex(), "parentSpanId": PARENT.hex().upper(), "kind": 2}
    span["links"] = [{"traceId": TRACE[::-1].hex(), "spanId": SPAN[::-1].hex()}]
    check(list(spans_of_json(json.dumps(document).encode())))


@fuzz
@given(st.integers(0, 600), st.binary(max_size=8))
def test_a_damaged_export_is_refused_or_read(at: int, damage: bytes) -> None:
    whole = export().SerializeToString()
    try:
        list(spans_of_protobuf(whole[:at] + damage + whole[at + len(damage) :]))
    except ValueError:
        return


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"resourceSpans": 1}', '{"resourceSpans": [{"scopeSpans": [{"spans": [{}]}]}]}']
)
def test_malformed_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        list(spans_of_json(text.encode()))
