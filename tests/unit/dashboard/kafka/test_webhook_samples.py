"""The metrics of kafka-hooks become rows."""

from __future__ import annotations

from pywatt_services.dashboard.kafka.webhook_routes import samples


def test_samples_without_buckets() -> None:
    text = (
        "# HELP kafka_hooks_retries_total Retries\n# TYPE kafka_hooks_retries_total counter\n"
        'kafka_hooks_retries_total{topic="a \\"b\\" c"} 3\n'
        'kafka_hooks_http_request_duration_seconds_bucket{topic="a",le="0.1"} 1\n'
        "kafka_hooks_requests_waiting 2\nother_total 1\n"
    )
    assert samples(text) == [
        {"name": "kafka_hooks_retries_total", "labels": {"topic": 'a "b" c'}, "value": 3.0},
        {"name": "kafka_hooks_requests_waiting", "labels": {}, "value": 2.0},
    ]
