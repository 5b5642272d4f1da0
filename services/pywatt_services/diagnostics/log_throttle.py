"""Limits warnings that could come with every record."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

INTERVAL = 10.0  # seconds between two warnings of one kind


class LogThrottle:
    """Tells when the next warning of one kind is due, and counts its causes."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._next = clock()
        self.count = 0

    def due(self) -> bool:
        """Count one more cause; tell whether to warn now."""
        self.count += 1
        now = self._clock()
        if now < self._next:
            return False
        self._next = now + INTERVAL
        return True
