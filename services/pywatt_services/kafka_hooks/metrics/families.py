"""Declares every metric of kafka-hooks: its name, type, help text and labels."""

from __future__ import annotations

from collections.abc import Mapping

from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.metrics.prometheus import Labels, MetricFamily, histogram_family


def delivery_families(topics: Mapping[str, TopicMetrics]) -> list[MetricFamily]:
    """Return the metrics of deliveries by topic; the first three have the original's names."""
    return [
        MetricFamily(
            "kafka_hooks_messages_in_flight",
            "gauge",
            "Number of messages currently being processed",
            [("", {"topic": topic}, metrics.in_flight) for topic, metrics in topics.items()],
        ),
        histogram_family(
            "kafka_hooks_http_request_duration_seconds",
            "HTTP request duration for webhook deliveries",
            [
                ({"topic": topic, "method": method, "status_code": str(status)}, timings)
                for topic, metrics in topics.items()
                for (method, status), timings in metrics.timings.items()
            ],
        ),
        MetricFamily(
            "kafka_hooks_dlq_messages_total",
            "counter",
            "Total number of messages sent to the DLQ (Dead Letter Queue)",
            [
                ("", {"topic": topic, "reason": reason}, count)
                for topic, metrics in topics.items()
                for reason, count in metrics.dead.items()
            ],
        ),
        MetricFamily(
            "kafka_hooks_retries_total",
            "counter",
            "Failed attempts that another one follows",
            [("", {"topic": topic}, metrics.retries) for topic, metrics in topics.items()],
        ),
    ]


def publish_buffered_bytes(size: int) -> MetricFamily:
    """Return the gauge of published bytes without an acknowledgement."""
    return MetricFamily(
        "kafka_hooks_publish_buffered_bytes",
        "gauge",
        "Bytes of published records that wait for their acknowledgement",
        [("", {}, size)],
    )


def requests_waiting(count: int) -> MetricFamily:
    """Return the gauge of requests without a reply."""
    return MetricFamily(
        "kafka_hooks_requests_waiting", "gauge", "Requests that wait for their reply", [("", {}, count)]
    )


def oldest_unfinished_seconds(ages: Mapping[TopicPartition, float]) -> MetricFamily:
    """Return the gauge of the oldest unfinished record of each partition."""
    return MetricFamily(
        "kafka_hooks_oldest_unfinished_seconds",
        "gauge",
        "Age of the oldest record that is in work or waits",
        [("", _partition(place), age) for place, age in sorted(ages.items())],
    )


def breaker_state(states: Mapping[tuple[str, str], int]) -> MetricFamily:
    """Return the gauge of circuit breakers by topic and URL."""
    return MetricFamily(
        "kafka_hooks_breaker_state",
        "gauge",
        "Circuit breaker of a target: 0 closed, 1 trying one record, 2 open",
        [("", {"topic": topic, "url": url}, state) for (topic, url), state in states.items()],
    )


def consumer_lag(lag: Mapping[TopicPartition, int]) -> MetricFamily:
    """Return the gauge of uncommitted records of each partition."""
    return MetricFamily(
        "kafka_hooks_consumer_lag",
        "gauge",
        "Records that are not committed yet",
        [("", _partition(place), behind) for place, behind in lag.items()],
    )


def _partition(place: TopicPartition) -> Labels:
    return {"topic": place.topic, "partition": str(place.partition)}
