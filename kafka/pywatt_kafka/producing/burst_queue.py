"""Spreads a burst of sends over several turns of the event loop, which else would stand still until the last one."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeAlias, TypeVar

BURST = 2000  # sends of one turn that are written at once
HALF = BURST // 2
TURN = 500  # of further ones, per turn

Entry = TypeVar("Entry")
Marker: TypeAlias = "asyncio.Future[None]"


class BurstQueue(Generic[Entry]):
    """Counts the sends of a turn, and keeps those that have to wait for a later one, in their order."""

    def __init__(self, write: Callable[[Entry], None]) -> None:
        self.left = BURST
        """Number of sends that may still be written in this turn; callers decrement it, and call `spend` below HALF."""
        self.waiting: deque[Entry | Marker] = deque()
        """While there are any, all others must wait behind them."""
        self._write = write
        self._handle: asyncio.Handle | None = None

    def spend(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether this send has to wait; see to it that the next turn is noticed."""
        if self._handle is None:
            self._handle = loop.call_soon(self._begin_turn, loop)
        return self.left < 0

    async def reached(self) -> None:
        """Wait until those that wait now have had their turn."""
        marker: Marker = asyncio.get_running_loop().create_future()
        self.waiting.append(marker)
        await marker

    def close(self) -> list[Entry]:
        """Return the sends that still wait; they get no turn."""
        entries, self.waiting = self.waiting, deque()
        if self._handle is not None:
            self._handle.cancel()
        return [entry for entry in entries if not _pass(entry)]  # type: ignore[misc]

    def _begin_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        waiting = self.waiting
        self._handle = None
        for _ in range(TURN):
            if not waiting:
                break
            entry = waiting.popleft()
            if _pass(entry):
                break  # whoever waits for this place goes on before the next turn
            self._write(entry)  # type: ignore[arg-type]
        if waiting:
            self._handle = loop.call_soon(self._begin_turn, loop)
        else:
            self.left = BURST


def _pass(entry: object) -> bool:
    """Let a marker's owner continue; return whether it is a marker."""
    if not isinstance(entry, asyncio.Future):
        return False
    if not entry.done():
        entry.set_result(None)
    return True
