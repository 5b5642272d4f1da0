"""Ends a search by a regular expression that takes too long, as `(a+)+$` does on a text that nearly matches.

Python's `re` looks for signals while it searches, so that an alarm ends it, in the main thread. A static check of the
pattern would not do: even a harmless one takes the square of the length of a long text.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 0.1
MOST_SLOW = 3
"""Searches by one expression that may be ended before it is given up."""


class SlowSearch(Exception):
    """A search took too long."""


@contextmanager
def time_limit(seconds: float = SECONDS) -> Iterator[None]:
    """Raise SlowSearch in a block that takes longer; it must not wait, and runs in the main thread."""
    before = signal.signal(signal.SIGALRM, _expire)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def _expire(_number: int, _frame: FrameType | None) -> None:
    raise SlowSearch


class BoundedSearch:
    """Asks whether records match, each within the limit, until too many took longer."""

    def __init__(self, *, most_slow: int = MOST_SLOW, seconds: float = SECONDS) -> None:
        self.slow = 0
        """Records that were passed over since their search took too long."""
        self._most_slow = most_slow
        self._seconds = seconds

    @property
    def given_up(self) -> bool:
        """True once too many searches took too long."""
        return self.slow >= self._most_slow

    def finds(self, search: Callable[[], bool]) -> bool:
        """Return the answer of a search, False for one that took too long."""
        if self.given_up:
            return False
        try:
            with time_limit(self._seconds):
                return search()
        except SlowSearch:
            self.slow += 1
            return False
