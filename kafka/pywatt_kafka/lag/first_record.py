"""Finds the first record that a group has yet to process, where offsets alone do not tell it.

Between a committed offset and the end there may be nothing that is ever delivered: markers, aborted and compacted
records. And only the record itself has a timestamp. So it is read, once for each committed offset.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pywatt_kafka.aiokafka.records import native
from pywatt_kafka.records import TopicPartition

FETCH_WAIT = 100  # ms
LIMIT = 2.0  # seconds of one measurement; the next one goes on where it ended
FETCH_SETTINGS: Mapping[str, Any] = {
    "isolation_level": "read_committed",
    "auto_offset_reset": "earliest",
    "fetch_max_wait_ms": FETCH_WAIT,
    "max_partition_fetch_bytes": 256 * 1024,
    "fetch_max_bytes": 4 * 1024 * 1024,
    "metadata_max_age_ms": 60_000,
}
"""Settings of the consumer that reads them."""


@dataclass(frozen=True, slots=True)
class Found:
    """There is no record between two offsets."""

    begin: int
    end: int
    timestamp: int | None = None
    """Timestamp of the record at `end`; None: it was not found yet, or there is none."""

    def holds(self, begin: int) -> bool:
        """Return whether it says something of what follows an offset."""
        return self.begin <= begin <= self.end


class FirstRecords:
    """The first records of the partitions of one group, as far as they are known."""

    def __init__(self) -> None:
        self._found: dict[TopicPartition, Found] = {}

    def position(self, place: TopicPartition, begin: int) -> int:
        """Return the offset of the first record from `begin` on, or one that is not past it."""
        found = self._found.get(place)
        return begin if found is None else max(begin, found.end)

    def timestamp(self, place: TopicPartition) -> int | None:
        """Return the timestamp of that record in Unix milliseconds; None: not known."""
        found = self._found.get(place)
        return None if found is None else found.timestamp

    async def find(
        self,
        consumer: Any,
        begins: Mapping[TopicPartition, int],
        ends: Mapping[TopicPartition, int],
        deadline: float,
    ) -> None:
        """Look for the first record from `begins` on and before `ends`, until a monotonic time; raises aiokafka's
        errors."""
        self._found = {
            place: found
            for place, found in self._found.items()
            if place in begins and found.holds(begins[place]) and found.end <= ends[place]
        }
        for place, begin in begins.items():
            self._found.setdefault(place, Found(begin, begin))
        wanted = {place: found.end for place, found in self._found.items() if _is_open(found, ends[place])}
        if not wanted:
            return
        deadline = min(deadline, time.monotonic() + LIMIT)
        consumer.assign([native(place) for place in wanted])
        try:
            for place, offset in wanted.items():
                consumer.seek(native(place), offset)
            while wanted and time.monotonic() < deadline:
                records, reached = await _first_records(consumer, wanted)
                for place, (offset, timestamp) in records.items():
                    self._found[place] = replace(self._found[place], end=offset, timestamp=timestamp)
                for place, offset in reached.items():
                    known = self._found[place]
                    self._found[place] = replace(known, end=max(known.end, min(offset, ends[place])))
                wanted = {
                    place: offset for place, offset in reached.items() if _is_open(self._found[place], ends[place])
                }
                if records and wanted:
                    # what was prefetched of the others is only in the way
                    consumer.pause(*(native(place) for place in records))
        finally:
            consumer.unsubscribe()


async def _first_records(
    consumer: Any, starts: Mapping[TopicPartition, int]
) -> tuple[Mapping[TopicPartition, tuple[int, int]], Mapping[TopicPartition, int]]:
    """Fetch once from partitions that were assigned before; `starts` are those that are still looked at.

    Return offset and timestamp of the first record of each partition that has returned one, and the offset that each of
    the others has reached. Raises aiokafka's errors.
    """
    places = [native(place) for place in starts]
    batches = await consumer.getmany(*places, timeout_ms=FETCH_WAIT, max_records=len(places))
    found = {
        TopicPartition(*place): (records[0].offset, records[0].timestamp)
        for place, records in batches.items()
        if records
    }
    reached = {place: await consumer.position(native(place)) for place in starts if place not in found}
    return found, reached


def _is_open(found: Found, end: int) -> bool:
    return found.timestamp is None and found.end < end
