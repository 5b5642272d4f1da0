"""Ends calls that take too long, with one timer for all that have the same time: a timer for each would cost more
than everything else that is done to keep time."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Expiring(Protocol):
    """What has a deadline."""

    def expire(self, seconds: float) -> None:
        """The time, so many seconds, is over. Called from the event loop."""
        ...


class Deadlines:
    """Watches over whatever has so many seconds."""

    __slots__ = ("_due", "_loop", "_seconds", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._due: dict[Expiring, float] = {}
        """When each is over, the first one first."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is watched and no timer runs."""
        return self._timer is None

    def add(self, item: Expiring) -> None:
        """Begin to watch."""
        self._due[item] = self._loop.time() + self._seconds
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._look)

    def remove(self, item: Expiring) -> None:
        """Watch it no more."""
        self._due.pop(item, None)

    def close(self) -> None:
        """Watch nothing any more."""
        self._due.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        expired: list[Expiring] = []
        for item, due in self._due.items():
            if due > now:
                self._timer = self._loop.call_at(due, self._look)
                break
            expired.append(item)
        for item in expired:
            if self._due.pop(item, None) is not None:  # unless one before has ended it
                item.expire(self._seconds)
