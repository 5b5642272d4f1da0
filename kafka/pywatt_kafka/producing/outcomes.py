"""Collects the outcomes of several records that are written together."""

from __future__ import annotations

import asyncio
from functools import partial

from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import RecordPosition


class Outcomes:
    """The outcomes of records in their order, whatever order they come in."""

    def __init__(self) -> None:
        self._found: list[RecordPosition | KafkaError | None] = []
        self._missing = 0
        self._complete = asyncio.Event()

    def add(self) -> Acknowledge:
        """Return the callback for the outcome of the next record."""
        index = len(self._found)
        self._found.append(None)
        self._missing += 1
        return partial(self._settle, index)

    async def all(self) -> list[RecordPosition | KafkaError]:
        """Wait for all outcomes and return them."""
        while self._missing:
            self._complete.clear()
            await self._complete.wait()
        return [outcome for outcome in self._found if outcome is not None]

    def _settle(self, index: int, outcome: RecordPosition | KafkaError) -> None:
        if self._found[index] is None:
            self._found[index] = outcome
            self._missing -= 1
            if not self._missing:
                self._complete.set()
