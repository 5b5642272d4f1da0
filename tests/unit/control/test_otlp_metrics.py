"""Metrics as OTLP has them: read back by OpenTelemetry's own protobuf classes."""

from __future__ import annotations

import json
import math
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pywatt.control.otlp_metrics.encoding import export_request
from pywatt.metrics.family import Kind
from pywatt.metrics.page import PageFamily, Sample


def encoded(*families: PageFamily) -> list[Any]:
    """Return the metrics as a collector reads them."""
    document = export_request(families, {"service.name": "shop"}, started=100.0, now=160.5)
    request = ExportMetricsServiceRequest()
    ParseDict(json.loads(json.dumps(document)), request)
    (resource,) = request.resource_metrics
    assert [(each.key, each.value.string_value) for each in resource.resource.attributes] == [("service.name", "shop")]
    (scope,) = resource.scope_metrics
    return list(scope.metrics)


def attributes(point: Any) -> dict[str, str]:
    return {each.key: each.value.string_value for each in point.attributes}


def test_counters_and_gauges() -> None:
    labels = {"service": "api"}
    counter = PageFamily("a_total", Kind.COUNTER, "Some", samples=[Sample("a_total", labels, 3.0)])
    gauge = PageFamily(
        "b_bytes", Kind.GAUGE, "Size", "bytes", [Sample("b_bytes", labels, 1.5), Sample("b_bytes", {}, math.nan)]
    )
    summed, measured = encoded(counter, gauge)
    assert (summed.name, summed.description, summed.sum.is_monotonic) == ("a", "Some", True)
    assert summed.sum.aggregation_temporality == 2
    (point,) = summed.sum.data_points
    assert (point.as_double, attributes(point)) == (3.0, labels)
    assert (point.start_time_unix_nano, point.time_unix_nano) == (100 * 10**9, 160_500_000_000)
    assert (measured.name, measured.unit) == ("b_bytes", "By")
    (point,) = measured.gauge.data_points
    assert point.as_double == 1.5


def test_histograms_have_a_count_for_each_bucket() -> None:
    samples = [
        Sample(f"t_seconds_{part}", {"service": service, **more}, value)
        for service in ("api", "web")
        for part, more, value in (
            ("bucket", {"le": "0.1"}, 1.0),
            ("bucket", {"le": "1.0"}, 3.0),
            ("bucket", {"le": "+Inf"}, 4.0),
            ("sum", {}, 2.5),
            ("count", {}, 4.0),
        )
    ]
    (metric,) = encoded(PageFamily("t_seconds", Kind.HISTOGRAM, "Time", "seconds", samples))
    first, second = metric.histogram.data_points
    assert (metric.unit, metric.histogram.aggregation_temporality) == ("s", 2)
    assert (first.count, first.sum) == (4, 2.5)
    assert (list(first.bucket_counts), list(first.explicit_bounds)) == ([1, 2, 1], [0.1, 1.0])
    assert (attributes(first), attributes(second)) == ({"service": "api"}, {"service": "web"})


def test_summaries() -> None:
    samples = [Sample("s", {"quantile": "0.5"}, 7.0), Sample("s_sum", {}, 9.0), Sample("s_count", {}, 2.0)]
    (metric,) = encoded(PageFamily("s", Kind.SUMMARY, "", samples=samples))
    (point,) = metric.summary.data_points
    assert (point.count, point.sum, point.quantile_values[0].value) == (2, 9.0, 7.0)


def test_without_samples() -> None:
    assert encoded(PageFamily("a_total", Kind.COUNTER, "")) == []
