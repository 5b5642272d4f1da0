"""Expires items after a fixed timeout, with one timer for all of them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")

COMPACT_AT = 1024
"""Number of items above which ended ones behind an open one are removed."""


class TimeoutQueue(Generic[Item]):
    """Calls `expired` for each item that has not ended within a fixed timeout."""

    def __init__(self, seconds: float, *, ended: Callable[[Item], bool], expired: Callable[[Item], None]) -> None:
        """`ended`: returns whether an item has ended. `expired`: called once for an item after its timeout."""
        self._seconds = seconds
        self._ended = ended
        self._expired = expired
        self._items: deque[tuple[float, Item]] = deque()
        self._compact_at = COMPACT_AT
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Item) -> None:
        """Add an item, whose timeout begins now."""
        loop = asyncio.get_running_loop()
        items, ended = self._items, self._ended
        while items and ended(items[0][1]):
            items.popleft()
        items.append((loop.time() + self._seconds, item))
        if len(items) > self._compact_at:
            self._items = deque(entry for entry in items if not ended(entry[1]))
            self._compact_at = max(COMPACT_AT, 2 * len(self._items))
        if self._timer is None:
            self._timer = loop.call_later(self._seconds, self._expire_due, loop)

    def close(self) -> None:
        """Remove all items and cancel the timer."""
        self._items.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire_due(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        due: list[Item] = []
        while self._items:
            deadline, item = self._items[0]
            if self._ended(item):
                self._items.popleft()
            elif deadline <= loop.time():
                self._items.popleft()
                due.append(item)
            else:
                self._timer = loop.call_at(deadline, self._expire_due, loop)
                break
        for item in due:
            self._expired(item)
