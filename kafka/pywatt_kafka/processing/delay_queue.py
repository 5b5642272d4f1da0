"""Returns items after a delay, with one timer for all that are due within the same few milliseconds: a dead target's
keys are retried together, and a timer for each would cost the other targets their time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

GRAIN = 0.01  # seconds by which a pause may be longer than was asked for


class DelayQueue(Generic[Item]):
    """Returns items after their delays."""

    __slots__ = ("_due", "_over")

    def __init__(self, over: Callable[[Sequence[Item]], None]) -> None:
        """`over` is called from the event loop with the items that are due, in the order in which they came."""
        self._over = over
        self._due: dict[int, list[Item]] = {}
        """By the number of the grain, counted from the start of the loop's clock."""

    def add(self, item: Item, seconds: float) -> None:
        """Return an item after that number of seconds."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        grain = math.ceil((now + seconds) / GRAIN)
        items = self._due.get(grain)
        if items is None:
            self._due[grain] = [item]
            loop.call_later(grain * GRAIN - now, self._end, grain)
        else:
            items.append(item)

    def _end(self, grain: int) -> None:
        self._over(self._due.pop(grain))
