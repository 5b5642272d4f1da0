"""Exports of metrics are read as OpenTelemetry's own library writes them, as protobuf and as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from pywatt.metrics.family import Kind, Merge
from pywatt.metrics.received import Point, Sender
from pywatt_services.dashboard.otlp.metrics import prometheus_name, read_metrics

SHOP = [KeyValue(key="shop.name", value=AnyValue(string_value='<b>"ü"'))]
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE


def export() -> ExportMetricsServiceRequest:
    metrics = [
        Metric(
            name="orders.placed",
            description="Orders",
            unit="{order}",
            sum=Sum(
                is_monotonic=True,
                aggregation_temporality=CUMULATIVE,
                data_points=[NumberDataPoint(as_int=3, start_time_unix_nano=5, attributes=SHOP)],
            ),
        ),
        Metric(
            name="queue",
            sum=Sum(aggregation_temporality=CUMULATIVE, data_points=[NumberDataPoint(as_int=-2)]),
        ),
        Metric(
            name="load", unit="1", gauge=Gauge(data_points=[NumberDataPoint(as_double=0.5, start_time_unix_nano=5)])
        ),
        Metric(
            name="wait",
            unit="s",
            histogram=Histogram(
                aggregation_temporality=DELTA,
                data_points=[HistogramDataPoint(count=4, sum=3.5, bucket_counts=[2, 1, 1], explicit_bounds=[0.1, 1.0])],
            ),
        ),
        Metric(
            name="size",
            unit="By",
            exponential_histogram=ExponentialHistogram(
                aggregation_temporality=CUMULATIVE,
                data_points=[
                    ExponentialHistogramDataPoint(
                        count=6,
                        sum=12,
                        scale=1,
                        zero_count=1,
                        positive=ExponentialHistogramDataPoint.Buckets(offset=-1, bucket_counts=[300, 1, 2, 1]),
                    )
                ],
            ),
        ),
        Metric(
            name="old",
            summary=Summary(
                data_points=[
                    SummaryDataPoint(
                        count=2,
                        sum=3,
                        quantile_values=[SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.5)],
                    )
                ]
            ),
        ),
        Metric(name="none", gauge=Gauge(data_points=[NumberDataPoint(flags=1)])),
    ]
    resource = Resource(
        attributes=[KeyValue(key="service.instance.id", value=AnyValue(string_value="api:2:4711"))],
    )
    return ExportMetricsServiceRequest(
        resource_metrics=[ResourceMetrics(resource=resource, scope_metrics=[ScopeMetrics(metrics=metrics)])]
    )


def check(found: list[tuple[Sender, list[Point]]]) -> None:
    ((sender, points),) = found
    assert (sender.service, sender.worker, sender.pid) == ("api", "2", 4711)
    by_name = {point.family: point for point in points}
    assert by_name.keys() == {"orders_placed", "queue", "load_ratio", "wait_seconds", "size_bytes", "old"}
    orders = by_name["orders_placed"]
    assert (orders.kind, orders.help, orders.start) == (Kind.COUNTER, "Orders", 5)
    assert orders.labels == (("shop_name", '<b>"ü"'),)
    assert orders.numbers == {("", ()): 3}
    assert (by_name["queue"].kind, by_name["queue"].merge) == (Kind.GAUGE, Merge.SUM)
    assert by_name["queue"].numbers == {("", ()): -2}
    assert (by_name["load_ratio"].merge, by_name["load_ratio"].start) == (Merge.MAX, 0)
    wait = by_name["wait_seconds"]
    assert (wait.is_delta, orders.is_delta) == (True, False)
    assert wait.numbers == {
        ("_sum", ()): 3.5,
        ("_bucket", (("le", "0.1"),)): 2,
        ("_bucket", (("le", "1.0"),)): 1,
        ("_bucket", (("le", "+Inf"),)): 1,
    }
    assert by_name["size_bytes"].numbers == {
        ("_sum", ()): 12,
        ("_bucket", (("le", "0.0"),)): 1,
        ("_bucket", (("le", "1.0"),)): 300,
        ("_bucket", (("le", "2.0"),)): 3,
        ("_bucket", (("le", "4.0"),)): 1,
        ("_bucket", (("le", "+Inf"),)): 0,
    }
    assert by_name["old"].numbers == {("", (("quantile", "0.5"),)): 1.5, ("_sum", ()): 3, ("_count", ()): 2}


def test_protobuf() -> None:
    check(list(read_metrics(export().SerializeToString(), is_json=False)))


def test_json() -> None:
    check(list(read_metrics(json.dumps(MessageToDict(export())).encode(), is_json=True)))


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("http.server.request.duration", "s", Kind.HISTOGRAM, "http_server_request_duration_seconds"),
        ("requests_total", "1", Kind.COUNTER, "requests"),
        ("process.cpu", "By/s", Kind.GAUGE, "process_cpu_bytes_per_second"),
        ("wait_seconds", "s", Kind.HISTOGRAM, "wait_seconds"),
        ("2xx", "{response}", Kind.COUNTER, "_2xx"),
        ("<b>", "", Kind.GAUGE, "b"),
        ("ü", "", Kind.GAUGE, ""),
    ],
)
def test_names(name: str, unit: str, kind: Kind, expected: str) -> None:
    assert prometheus_name(name, unit, kind) == expected


def accepted(data: bytes, *, is_json: bool) -> None:
    try:
        for _, points in read_metrics(data, is_json=is_json):
            for point in points:
                assert len(point.labels) <= 32
    except ValueError:
        pass


@fuzz
@given(st.data())
def test_any_bytes(data: Any) -> None:
    whole = bytearray(export().SerializeToString())
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    accepted(bytes(whole), is_json=False)


LEAF = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
NAMES = (
    "resourceMetrics scopeMetrics metrics gauge sum histogram exponentialHistogram summary dataPoints asInt "
    "bucketCounts scale positive offset attributes key value name"
)
KEYS = st.sampled_from(NAMES.split())


@fuzz
@given(st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4)))
def test_any_document(document: Any) -> None:
    for depth in (document, {"resourceMetrics": [{"scopeMetrics": [{"metrics": [document]}]}]}):
        accepted(json.dumps(depth).encode(), is_json=True)
