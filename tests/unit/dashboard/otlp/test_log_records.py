"""Exports of log records are read as OpenTelemetry's own library writes them, as protobuf and as JSON."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from pywatt_services.dashboard.otlp.log_records import read_logs

TRACE, SPAN = bytes(range(16)), bytes(range(8))
NOW = 1_700_000_000_000


def text(value: str) -> AnyValue:
    return AnyValue(string_value=value)


def export() -> ExportLogsServiceRequest:
    records = [
        LogRecord(
            time_unix_nano=(NOW + 1) * 1_000_000,
            severity_number=SeverityNumber.SEVERITY_NUMBER_ERROR2,
            body=text("the order <b> failed"),
            trace_id=TRACE,
            span_id=SPAN,
            attributes=[
                KeyValue(key="order", value=AnyValue(int_value=7)),
                KeyValue(key="exception.type", value=text("ValueError")),
                KeyValue(key="exception.stacktrace", value=text("Traceback\n  x")),
                KeyValue(key="msg", value=text("other")),
            ],
        ),
        LogRecord(body=AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="a", value=text("ü"))]))),
    ]
    resource = Resource(attributes=[KeyValue(key="service.instance.id", value=text("api:0:4711"))])
    scope = ScopeLogs(scope=InstrumentationScope(name="shop.orders"), log_records=records)
    return ExportLogsServiceRequest(resource_logs=[ResourceLogs(resource=resource, scope_logs=[scope])])


def check(found: list[dict[str, Any]], *, ids: bool = True) -> None:
    first, second = found
    assert (first["name"], first["worker"], first["pid"]) == ("api", 0, 4711)
    assert (first["level"], first["time"], first["msg"]) == (50, NOW + 1, "the order <b> failed")
    if ids:
        assert (first["extra"].pop("trace_id"), first["extra"].pop("span_id")) == (TRACE.hex(), SPAN.hex())
        assert first["extra"] == {
            "logger": "shop.orders",
            "order": 7,
            "attributes.msg": "other",
            "err": {"type": "ValueError", "stack": "Traceback\n  x"},
        }
    assert (second["level"], second["time"], second["msg"]) == (30, NOW, '{"a": "ü"}')


def test_protobuf() -> None:
    check(list(read_logs(export().SerializeToString(), NOW, is_json=False)))


def test_json() -> None:
    # The library for protobuf writes ids in base64; OTLP has them hexadecimal.
    check(list(read_logs(json.dumps(MessageToDict(export())).encode(), NOW, is_json=True)), ids=False)


@fuzz
@given(st.data())
def test_any_bytes(data: Any) -> None:
    whole = bytearray(export().SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    accepted(bytes(whole), is_json=False)


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
KEYS = st.sampled_from(
    ["body", "attributes", "key", "value", "severityNumber", "traceId", "timeUnixNano", "stringValue"]
)


@fuzz
@given(st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)))
def test_any_document(document: Any) -> None:
    whole = {"resourceLogs": [{"scopeLogs": [{"logRecords": [document]}]}]}
    accepted(json.dumps(whole).encode(), is_json=True)


def accepted(data: bytes, *, is_json: bool) -> None:
    try:
        for record in read_logs(data, NOW, is_json=is_json):
            assert isinstance(record["msg"], str)
            assert isinstance(record["time"], int)
            json.dumps(record)
    except ValueError:
        pass
