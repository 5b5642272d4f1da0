"""A queue that shares the event loop fairly among connections that have sent more than one request at once.

A client that waits for each response is served when its request comes. Requests that were sent ahead wait in a queue:
in each turn of the event loop some of them are served, one of each connection. So the number of requests that are there
already, of one connection or of many, is not felt by other clients.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

STEPS = 8
"""Connections served in one turn of the event loop."""
BUDGET = 0.0002
"""Seconds after which the event loop gets its turn, even after fewer connections."""


CallLater = Callable[[float, Callable[[], None]], object]


class QueuedConnection(Protocol):
    """A connection in the queue."""

    def read_held(self) -> None:
        """Read the next request, and enter the queue again for the one behind it."""
        ...


def _next_turn_of_the_loop(callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_soon(callback)


def _later(seconds: float, callback: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(seconds, callback)


class FairQueue:
    """The queue of connections with requests that were sent ahead."""

    def __init__(
        self,
        *,
        steps: int = STEPS,
        call_soon: Callable[[Callable[[], None]], object] = _next_turn_of_the_loop,
        call_later: CallLater = _later,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`steps`: connections served in one turn of the event loop.

        `call_soon` and `call_later`: schedule a call for the next turn of the event loop, and after seconds.
        """
        self._line: deque[QueuedConnection] = deque()
        self._scheduled = False
        self._steps = steps
        self._call_soon = call_soon
        self.call_later = call_later
        self._clock = clock

    def add(self, connection: QueuedConnection) -> None:
        """Put a connection at the end."""
        self._line.append(connection)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._give)

    def _give(self) -> None:
        self._scheduled = False
        line, end = self._line, self._clock() + BUDGET
        try:
            for _ in range(min(self._steps, len(line))):
                line.popleft().read_held()
                if self._clock() > end:
                    break
        finally:
            if line:
                self._schedule()
