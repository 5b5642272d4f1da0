"""Traffic of the last seconds from counts that only grow (pure)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from pywatt_services.dashboard.graph.model import Counts, Link, Traffic, p95_of_buckets

SECONDS = 30.0


class Window:
    """Keeps the counts of the last seconds."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._looks: deque[tuple[float, Mapping[Link, Counts]]] = deque()

    def add(self, at: float, counts: Mapping[Link, Counts]) -> dict[Link, Traffic]:
        """Take newer counts, and return the traffic of each link that has ever had some.

        The first look has nothing to compare with: its rates are 0.
        """
        self._looks.append((at, counts))
        while len(self._looks) > 2 and self._looks[1][0] <= at - self._seconds:
            self._looks.popleft()
        begin, before = self._looks[0]
        if at - begin > 2 * self._seconds:  # nobody looked for a while
            self._looks.popleft()
            begin, before = self._looks[0]
        return {link: self._traffic(each, before.get(link), at - begin) for link, each in counts.items()}

    @staticmethod
    def _traffic(now: Counts, before: Counts | None, seconds: float) -> Traffic:
        if seconds <= 0:
            return Traffic(rate=0, errors=0, p95=p95_of_buckets(now.buckets), source="metrics")
        change = now.since(before)
        return Traffic(
            rate=change.total / seconds,
            errors=change.errors / seconds,
            p95=p95_of_buckets(change.buckets),
            source="metrics",
        )
