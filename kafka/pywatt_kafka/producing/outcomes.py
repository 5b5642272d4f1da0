"""Outcomes for callers that wait: of one record, or of several that are written together."""

from __future__ import annotations

import asyncio
from functools import partial

from pywatt_kafka.errors import KafkaError
from pywatt_kafka.producing.waiting_records import WaitingRecord
from pywatt_kafka.records import RecordPosition


def _resolve(future: asyncio.Future[RecordPosition | KafkaError], outcome: RecordPosition | KafkaError) -> None:
    if not future.done():
        future.set_result(outcome)


class AwaitedOutcome(partial[None]):
    """The callback for the outcome of a record that a caller waits for; made as `awaited_outcome(future)`.

    A partial, as one is made for each record and a constructor in Python costs more than all the rest of it.
    """

    place: WaitingRecord | None = None
    """The record's place in the queue of its topic, if it waits there."""

    @property
    def is_cancelled(self) -> bool:
        """True when the caller was cancelled."""
        return bool(self.args[0].done())


awaited_outcome = partial(AwaitedOutcome, _resolve)


class Outcomes:
    """The outcomes of records by their number, whatever order they come in."""

    def __init__(self) -> None:
        self._found: dict[int, RecordPosition | KafkaError] = {}
        self._count: int | None = None
        self._complete = asyncio.Event()

    def settle(self, number: int, outcome: RecordPosition | KafkaError) -> None:
        """Set the outcome of a record; the first one counts."""
        found = self._found
        if number not in found:
            found[number] = outcome
            if len(found) == self._count:
                self._complete.set()

    async def all(self, count: int) -> list[RecordPosition | KafkaError]:
        """Wait for the outcomes of the records 0 to count - 1, and return them."""
        self._count = count
        if len(self._found) < count:
            await self._complete.wait()
        return [self._found[number] for number in range(count)]
