"""Gathers records that are written one by one: the engines take many at once for much less."""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Callable

from pywatt_kafka.engine.protocols import Acknowledge, Append
from pywatt_kafka.records import OutgoingRecord

LIMIT = 50  # records that are written before the turn of the event loop has ended


class TurnBuffer:
    """Holds the records of a turn of the event loop, in the order of the calls."""

    def __init__(self, write: Callable[[list[Append]], object]) -> None:
        self._write = write
        self._appends: list[Append] = []
        self.is_full = False
        """True once LIMIT records were written in this turn: nothing is gained by gathering the next ones."""

    def add(self, record: OutgoingRecord, done: Acknowledge) -> None:
        """Add a record; it is written at the end of this turn at the latest."""
        appends = self._appends
        if not appends:
            get_running_loop().call_soon(self._end_turn)
        appends.append((record, done))
        if len(appends) >= LIMIT:
            self.is_full = True
            self.write()

    def write(self) -> None:
        """Write what there is."""
        if self._appends:
            appends, self._appends = self._appends, []
            self._write(appends)

    def begin_full_turn(self) -> None:
        """Gather nothing in this turn either: it continues one with many records."""
        get_running_loop().call_soon(self._end_turn)
        self.is_full = True

    def _end_turn(self) -> None:
        self.is_full = False
        self.write()

    def take(self) -> list[Append]:
        """Return what was not written; it will not be."""
        appends, self._appends = self._appends, []
        return appends
