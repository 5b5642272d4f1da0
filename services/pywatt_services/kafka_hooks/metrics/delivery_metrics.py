"""What is counted while records are delivered: cheap to count, put together only when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import perf_counter

from pywatt_services.kafka_hooks.metrics.prometheus import Histogram, MetricFamily, histogram_family

BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds; the original's
NO_ANSWER = 499  # the original's status for an attempt without an answer


class TopicMetrics:
    """Counts for the deliveries of one topic."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self.in_flight = 0
        self.timings: dict[tuple[str, int], Histogram] = {}
        """By method and status."""
        self.retries = 0
        self.dead: Counter[str] = Counter()
        """Dead letters by reason."""

    def retried(self) -> None:
        """Count a record that will be tried again."""
        self.retries += 1

    def dead_lettered(self, reason: str) -> None:
        """Count a dead letter."""
        self.dead[reason] += 1

    def begun(self) -> float:
        """Count a call that begins; return when that is."""
        self.in_flight += 1
        return self._clock()

    def ended(self, begun: float, method: str, status: int | None) -> None:
        """Count the end of a call, with its status or, None, without an answer."""
        self.in_flight -= 1
        kind = method, NO_ANSWER if status is None else status
        timings = self.timings.get(kind)
        if timings is None:
            timings = self.timings[kind] = Histogram(BUCKETS)
        timings.observe(self._clock() - begun)


class DeliveryMetrics:
    """The meters of all topics."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._topics: dict[str, TopicMetrics] = {}

    def of(self, topic: str) -> TopicMetrics:
        """Return the metrics of a topic."""
        metrics = self._topics.get(topic)
        if metrics is None:
            metrics = self._topics[topic] = TopicMetrics(self._clock)
        return metrics

    def families(self) -> list[MetricFamily]:
        """Return what was counted; the first three under the original's names."""
        topics = self._topics.items()
        return [
            MetricFamily(
                "kafka_hooks_messages_in_flight",
                "gauge",
                "Number of messages currently being processed",
                [("", {"topic": topic}, metrics.in_flight) for topic, metrics in topics],
            ),
            histogram_family(
                "kafka_hooks_http_request_duration_seconds",
                "HTTP request duration for webhook deliveries",
                [
                    ({"topic": topic, "method": method, "status_code": str(status)}, timings)
                    for topic, metrics in topics
                    for (method, status), timings in metrics.timings.items()
                ],
            ),
            MetricFamily(
                "kafka_hooks_dlq_messages_total",
                "counter",
                "Total number of messages sent to the DLQ (Dead Letter Queue)",
                [
                    ("", {"topic": topic, "reason": reason}, count)
                    for topic, metrics in topics
                    for reason, count in metrics.dead.items()
                ],
            ),
            MetricFamily(
                "kafka_hooks_retries_total",
                "counter",
                "Failed attempts that another one follows",
                [("", {"topic": topic}, metrics.retries) for topic, metrics in topics],
            ),
        ]
