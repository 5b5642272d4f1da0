"""Counts attempts, retries and dead letters of each topic: cheap to count, formatted only on request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from time import perf_counter

from pywatt.metrics import kafka_families
from pywatt.metrics.recorder import Recorder
from pywatt_kafka.dlq.codec import NO_ANSWER
from pywatt_services.kafka_hooks.metrics.prometheus import Histogram, Timings

BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds; the original's


class TopicMetrics:
    """Counters of one topic's deliveries."""

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self.in_flight = 0
        self.timings: dict[tuple[str, int], Timings] = {}
        """Durations of calls by method and status."""
        self.retries = 0
        self.dead: Counter[str] = Counter()
        """Dead letters by reason."""

    def retried(self) -> None:
        """Count a failed attempt that another one follows."""
        self.retries += 1

    def dead_lettered(self, reason: str) -> None:
        """Count a dead letter."""
        self.dead[reason] += 1

    def begun(self) -> float:
        """Count the start of a call; return its time."""
        self.in_flight += 1
        return self._clock()

    def ended(self, begun: float, method: str, status: int | None) -> None:
        """Count the end of a call; `status`: None without a response."""
        self.in_flight -= 1
        kind = method, NO_ANSWER if status is None else status
        timings = self.timings.get(kind)
        if timings is None:
            timings = self.timings[kind] = self._new_timings(*kind)
        timings.observe(self._clock() - begun)

    def _new_timings(self, method: str, status: int) -> Timings:
        return Histogram(BUCKETS)


class RecordedTopicMetrics(TopicMetrics):
    """Counters of one topic that also count for the app, where they outlive this worker."""

    def __init__(self, topic: str, recorder: Recorder, clock: Callable[[], float] = perf_counter) -> None:
        super().__init__(clock)
        self._topic = topic
        self._recorder = recorder
        self._retries = recorder.value(kafka_families.HOOKS_RETRIES, topic)

    def retried(self) -> None:
        super().retried()
        self._retries.add()

    def dead_lettered(self, reason: str) -> None:
        super().dead_lettered(reason)
        self._recorder.value(kafka_families.HOOKS_DEAD_LETTERS, self._topic, reason).add()

    def _new_timings(self, method: str, status: int) -> Timings:
        return self._recorder.histogram(kafka_families.HOOKS_SECONDS, self._topic, method, str(status))


class DeliveryMetrics:
    """Counters of all topics."""

    def __init__(self, clock: Callable[[], float] = perf_counter, recorder: Recorder | None = None) -> None:
        """`recorder`: the counters of the app's metrics; None: it has none."""
        self._clock = clock
        self._recorder = recorder
        self._topics: dict[str, TopicMetrics] = {}

    @property
    def topics(self) -> Mapping[str, TopicMetrics]:
        """The counters of each topic."""
        return self._topics

    def of(self, topic: str) -> TopicMetrics:
        """Return the metrics of a topic."""
        metrics = self._topics.get(topic)
        if metrics is None:
            recorder = self._recorder
            metrics = self._topics[topic] = (
                TopicMetrics(self._clock) if recorder is None else RecordedTopicMetrics(topic, recorder, self._clock)
            )
        return metrics
