"""Expires items after a fixed timeout, with one timer for all that have the same one.

A timer for each would cost more than everything else that is done to keep time.
"""

from __future__ import annotations

import asyncio
from typing import Protocol


class Expiring(Protocol):
    """An item with a timeout."""

    def expire(self, seconds: float) -> None:
        """End: the timeout, in seconds, has passed. Called from the event loop."""
        ...


class TimeoutQueue:
    """Items with the same timeout, the one that expires first at the front."""

    __slots__ = ("_due", "_loop", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._due: dict[Expiring, float] = {}
        """The time at which each expires, in order."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """True when it holds nothing and no timer runs."""
        return self._timer is None

    def add(self, item: Expiring) -> None:
        """Start an item's timeout."""
        self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._expire_due)

    def remove(self, item: Expiring) -> None:
        """Take an item out before it expires."""
        self._due.pop(item, None)

    def close(self) -> None:
        """Take all items out."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire_due(self) -> None:
        self._timer = None
        now = self._loop.time()
        expired: list[Expiring] = []
        for item, due in self._due.items():
            if due > now:
                self._timer = self._loop.call_at(due, self._expire_due)
                break
            expired.append(item)
        for item in expired:
            if self._due.pop(item, None) is not None:  # unless one before has ended it
                item.expire(self._seconds)
