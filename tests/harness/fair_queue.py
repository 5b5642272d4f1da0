"""Turns without an event loop, given by the test."""

from __future__ import annotations

from collections.abc import Callable

from pywatt.http.server.fair_queue import FairQueue


class ManualFairQueue(FairQueue):
    """Turns that the test gives; the clock stands still."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []
        self._timers: list[Callable[[], None]] = []
        super().__init__(
            call_soon=self._due.append,
            call_later=lambda _, callback: self._timers.append(callback),
            clock=lambda: 0.0,
        )

    @property
    def has_timers(self) -> bool:
        """True if a timer is set."""
        return bool(self._timers)

    def pass_time(self) -> None:
        """Fire every timer that is set now."""
        timers = self._timers.copy()
        self._timers.clear()
        for callback in timers:
            callback()

    def give_one(self) -> bool:
        """Run one turn of the event loop; return whether there was anything to do."""
        due = self._due.copy()
        self._due.clear()
        for callback in due:
            callback()
        return bool(due)

    def give_all(self) -> None:
        """Run turns until there is nothing to do."""
        while self.give_one():
            pass
