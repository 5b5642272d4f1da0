"""The metrics of kafka-hooks with their samples; names, types and texts are in `pywatt.metrics.families`."""

from __future__ import annotations

from collections.abc import Mapping

from pywatt.metrics import kafka_families
from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.metrics.prometheus import Labels, MetricFamily, histogram_family, simple_family


def delivery_families(topics: Mapping[str, TopicMetrics]) -> list[MetricFamily]:
    """Return the metrics of deliveries by topic; the first three have the original's names."""
    return [
        simple_family(
            kafka_families.HOOKS_IN_FLIGHT, [({"topic": topic}, metrics.in_flight) for topic, metrics in topics.items()]
        ),
        histogram_family(
            kafka_families.HOOKS_SECONDS,
            [
                ({"topic": topic, "method": method, "status_code": str(status)}, timings)
                for topic, metrics in topics.items()
                for (method, status), timings in metrics.timings.items()
            ],
        ),
        simple_family(
            kafka_families.HOOKS_DEAD_LETTERS,
            [
                ({"topic": topic, "reason": reason}, count)
                for topic, metrics in topics.items()
                for reason, count in metrics.dead.items()
            ],
        ),
        simple_family(
            kafka_families.HOOKS_RETRIES, [({"topic": topic}, metrics.retries) for topic, metrics in topics.items()]
        ),
    ]


def publish_buffered_bytes(size: int) -> MetricFamily:
    """Return the gauge of published bytes without an acknowledgement."""
    return simple_family(kafka_families.HOOKS_BUFFERED, [({}, size)])


def requests_waiting(count: int) -> MetricFamily:
    """Return the gauge of requests without a reply."""
    return simple_family(kafka_families.HOOKS_REQUESTS_WAITING, [({}, count)])


def oldest_unfinished_seconds(ages: Mapping[TopicPartition, float]) -> MetricFamily:
    """Return the gauge of the oldest unfinished record of each partition."""
    return simple_family(kafka_families.HOOKS_OLDEST, [(_partition(place), age) for place, age in sorted(ages.items())])


def breaker_state(states: Mapping[tuple[str, str], int]) -> MetricFamily:
    """Return the gauge of circuit breakers by topic and URL."""
    return simple_family(
        kafka_families.HOOKS_BREAKER, [({"topic": topic, "url": url}, state) for (topic, url), state in states.items()]
    )


def consumer_lag(lag: Mapping[TopicPartition, int]) -> MetricFamily:
    """Return the gauge of uncommitted records of each partition."""
    return simple_family(kafka_families.HOOKS_LAG, [(_partition(place), behind) for place, behind in lag.items()])


def _partition(place: TopicPartition) -> Labels:
    return {"topic": place.topic, "partition": str(place.partition)}
