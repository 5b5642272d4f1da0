"""Metrics in the Prometheus text format, and the merge of several workers' metrics."""

from __future__ import annotations

import pytest

from pywatt.metrics.family import Family, Group, Kind
from pywatt_services.kafka_hooks.metrics.delivery_metrics import DeliveryMetrics
from pywatt_services.kafka_hooks.metrics.families import delivery_families
from pywatt_services.kafka_hooks.metrics.prometheus import (
    Histogram,
    MetricFamily,
    histogram_family,
    merge_texts,
    write_text,
)

TIMES = Family(name="b_seconds", kind=Kind.HISTOGRAM, help="Times", group=Group.HOOKS)

pytestmark = pytest.mark.anyio


def test_text() -> None:
    timings = Histogram((0.1, 1.0))
    for seconds in (0.05, 0.1, 0.5, 3.0):
        timings.observe(seconds)
    families = [
        MetricFamily("a_total", "counter", "Things", [("", {"topic": 'x"\\\n'}, 3), ("", {}, 1e20)]),
        histogram_family(TIMES, [({"topic": "t"}, timings)]),
    ]
    assert write_text(families, {"worker": "0"}).splitlines() == [
        "# HELP a_total Things",
        "# TYPE a_total counter",
        'a_total{worker="0",topic="x\\"\\\\\\n"} 3',
        'a_total{worker="0"} 1e+20',
        "# HELP b_seconds Times",
        "# TYPE b_seconds histogram",
        'b_seconds_bucket{worker="0",topic="t",le="0.1"} 2',
        'b_seconds_bucket{worker="0",topic="t",le="1"} 3',
        'b_seconds_bucket{worker="0",topic="t",le="+Inf"} 4',
        'b_seconds_sum{worker="0",topic="t"} 3.65',
        'b_seconds_count{worker="0",topic="t"} 4',
    ]


def test_samples_of_several_workers_stand_under_one_head() -> None:
    texts = [
        write_text([MetricFamily(name, "gauge", "X", [("", {}, number)]) for name in names], {"worker": str(number)})
        for number, names in enumerate((["a", "b"], ["a", "b"], ["b", "c"]))
    ]
    assert merge_texts(texts).splitlines() == [
        "# HELP a X",
        "# TYPE a gauge",
        'a{worker="0"} 0',
        'a{worker="1"} 1',
        "# HELP b X",
        "# TYPE b gauge",
        'b{worker="0"} 0',
        'b{worker="1"} 1',
        'b{worker="2"} 2',
        "# HELP c X",
        "# TYPE c gauge",
        'c{worker="2"} 2',
    ]


def test_calls_are_counted_under_the_originals_names() -> None:
    now = 0.0
    deliveries = DeliveryMetrics(lambda: now)
    metrics = deliveries.of("orders")
    for status in (503, 503, None):
        begun = metrics.begun()
        assert metrics.in_flight == 1
        now += 0.3
        metrics.ended(begun, "POST", status)
    metrics.retried()
    metrics.dead_lettered("http_503")
    assert metrics.in_flight == 0
    text = write_text(delivery_families(deliveries.topics), {})
    for line in (
        'kafka_hooks_messages_in_flight{topic="orders"} 0',
        'kafka_hooks_http_request_duration_seconds_bucket{topic="orders",method="POST",status_code="503",le="0.1"} 0',
        'kafka_hooks_http_request_duration_seconds_bucket{topic="orders",method="POST",status_code="503",le="0.5"} 2',
        'kafka_hooks_http_request_duration_seconds_count{topic="orders",method="POST",status_code="499"} 1',
        'kafka_hooks_dlq_messages_total{topic="orders",reason="http_503"} 1',
        'kafka_hooks_retries_total{topic="orders"} 1',
    ):
        assert line in text.splitlines()
