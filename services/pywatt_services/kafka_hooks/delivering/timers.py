"""Ends pauses, with one timer for all that end within the same few milliseconds: a dead target's keys are tried again
together, and a timer for each of them would cost the other targets their time."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

GRAIN = 0.01  # seconds by which a pause may be longer than was asked for


class Timers(Generic[Item]):
    """Gives items back after their pauses."""

    __slots__ = ("_due", "_over")

    def __init__(self, over: Callable[[Sequence[Item]], None]) -> None:
        """`over` gets the items whose pauses are over, in the order in which they came. Called from the event loop."""
        self._over = over
        self._due: dict[int, list[Item]] = {}
        """By the number of the grain, counted from the beginning of the loop's time."""

    def add(self, item: Item, seconds: float) -> None:
        """Keep an item for so many seconds."""
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
