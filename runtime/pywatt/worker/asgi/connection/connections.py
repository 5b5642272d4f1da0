"""The open connections of a worker, and the clock that they are looked at by."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from pywatt.http.server.server import TICK


class Connections(set[Any]):
    """Tells when there is none, and has each check its time limits about once a second.

    Without connections there is no timer: an idle process is not woken.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.none_left = asyncio.Event()
        self.none_left.set()
        self.now = clock()
        """Right to about a second while there are connections."""
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def add(self, connection: Any) -> None:
        super().add(connection)
        self.none_left.clear()
        if self._timer is None:
            self.now = self._clock()
            self._wait(asyncio.get_running_loop())

    def discard(self, connection: Any) -> None:
        super().discard(connection)
        if not self:
            self.none_left.set()

    def remove(self, connection: Any) -> None:
        super().remove(connection)
        if not self:
            self.none_left.set()

    def tick(self) -> None:
        """Check the time limits, and close the connection if one has passed."""
        self.now = self._clock()
        for connection in list(self):
            look = getattr(connection, "look_at_time", None)
            if look is not None:
                look(self.now)

    def close(self) -> None:
        """Look at the clock no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(TICK, self._tick_on, loop)

    def _tick_on(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        if self:
            self._wait(loop)
            self.tick()
