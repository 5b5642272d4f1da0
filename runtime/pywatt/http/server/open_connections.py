"""The open connections of a server, whose timeouts are checked with one timer for all of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pywatt.http.server.client_limit import FullWarning, client_limit, longest_idle, open_files_limit

ConnectionT = TypeVar("ConnectionT", bound=Any)

CARRIERS_SHARE = 2
"""The part of the clients' number, as a divisor, that may be carriers besides: connections in their handshake."""
TICK = 1.0
"""Seconds between two checks; so timeouts are kept to about a second, and cost a request nothing."""


def carrier_limit() -> int:
    """Return how many connections may be open that are no clients, or not yet."""
    return client_limit(open_files_limit()) // CARRIERS_SHARE


class OpenConnections(set[ConnectionT]):
    """Calls `look_at_time` of each connection that has it about once a second.

    Without connections there is no timer: an idle process is not woken.
    """

    def __init__(
        self,
        *,
        limit: int | None = None,
        clock: Callable[[], float] = time.monotonic,
        on_tick: Callable[[float], None] = lambda _now: None,
    ) -> None:
        """`limit`: connections at most; default: by the limit of open files. `on_tick`: called with the time before the
        connections are."""
        super().__init__()
        self.none_left = asyncio.Event()
        self.none_left.set()
        self.now = clock()
        """Right to about a second while there are connections."""
        self._limit = client_limit(open_files_limit()) if limit is None else limit
        self._full = FullWarning()
        self._clock = clock
        self._on_tick = on_tick
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Check the timeouts from now on."""
        self._loop = loop

    def close(self) -> None:
        """Check the timeouts no more."""
        self._loop = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def add(self, connection: ConnectionT) -> None:
        """Add a connection. `now` is right from here on. At the limit an idle one is closed, else this one refused."""
        if self._loop is not None and self._timer is None:
            self.tick()
            self._timer = self._loop.call_later(TICK, self._tick_on)
        if len(self) >= self._limit:
            self._make_room(connection)
        super().add(connection)
        self.none_left.clear()

    def discard(self, connection: object) -> None:
        """Remove a connection, if it is there."""
        super().discard(connection)
        if not self:
            self.none_left.set()

    def remove(self, connection: ConnectionT) -> None:
        """Remove a connection. Raises KeyError."""
        super().remove(connection)
        if not self:
            self.none_left.set()

    def tick(self) -> None:
        """Read the clock, and have each connection check its timeouts."""
        now = self.now = self._clock()
        self._on_tick(now)
        self._full.tick(now, self._limit)
        for connection in list(self):
            look = getattr(connection, "look_at_time", None)  # uvicorn's WebSockets have none
            if look is not None:
                look(now)

    def _make_room(self, connection: ConnectionT) -> None:
        idle = longest_idle(self)
        self._full.count(refused=idle is None)
        if idle is not None:
            idle.close()
        elif (refuse := getattr(connection, "refuse_for_want_of_room", None)) is not None:
            refuse()  # uvicorn's WebSockets have none: they were let in as requests

    def _tick_on(self) -> None:
        self._timer = None
        if self and self._loop is not None:
            self._timer = self._loop.call_later(TICK, self._tick_on)
            self.tick()
