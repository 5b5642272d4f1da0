"""The counters of a service's requests, each resolved once."""

from __future__ import annotations

import time
from collections.abc import Callable

from pywatt.metrics import families
from pywatt.metrics.recorder import Histogram, Observe, Recorder
from pywatt.metrics.status_classes import OTHER, class_label, method_label


class RequestMetrics:
    """Counts the requests of one worker, and measures their durations."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.durations: dict[tuple[str, int], Observe] = {}
        """Those that were used before, by method and class of the status."""
        self._recorder = recorder

    def histogram(self, method: str, status_class: int) -> Histogram:
        """Return the durations of requests of a method that were answered with a class of status, or ABORTED."""
        known = method_label(method.encode())
        histogram = self._recorder.histogram(families.HTTP_SECONDS, known, class_label(status_class))
        if known != OTHER:
            self.durations[method, status_class] = histogram.observe
        return histogram

    def count(self, method: str, status_class: int, begun: float) -> None:
        """Count a request that began at this time of the clock."""
        observe = self.durations.get((method, status_class)) or self.histogram(method, status_class).observe
        observe(self.clock() - begun)

    def read_in_flight(self, in_flight: Callable[[], int]) -> None:
        """Have the requests that are being answered counted every few seconds."""
        gauge = self._recorder.value(families.HTTP_IN_FLIGHT)
        self._recorder.before_reading(lambda: gauge.set(in_flight()))
