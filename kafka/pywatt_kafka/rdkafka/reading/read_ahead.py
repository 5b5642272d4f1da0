"""Records that were read and not taken yet; used in the event loop only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from pywatt_kafka.errors import OffsetOutOfRange
from pywatt_kafka.rdkafka.native_messages import NativeMessages
from pywatt_kafka.rdkafka.reading.reached_ends import EndReached, Polled, ReachedEnds
from pywatt_kafka.records import Message, TopicPartition


class ReadAhead:
    """Keeps the records of each partition until they are fetched, and through a pause."""

    taken: Callable[[int], None]
    """Receives the number of records that are gone, each times its weight."""

    def __init__(
        self,
        reached: ReachedEnds,
        paused: AbstractSet[TopicPartition],
        out_of_range: Callable[[TopicPartition, int], None],
    ) -> None:
        """`paused`: the partitions that the user has paused. `out_of_range`: as in GroupSettings."""
        self._reached = reached
        self._paused = paused
        self._out_of_range = out_of_range
        self._owned: set[TopicPartition] = set()
        self._records: dict[TopicPartition, deque[NativeMessages]] = {}
        """Parts of different weights."""
        self._ends: dict[TopicPartition, EndReached] = {}
        self._strays: dict[TopicPartition, int] = {}
        """Offsets that are not in the log, until the records before them are taken."""
        self._seeks: dict[TopicPartition, object] = {}
        """The last seek of each partition that the thread has not carried out: what it reads before is not wanted."""
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return records as soon as there are any, at the latest after the timeout.

        Raises the error of a poll, and OffsetOutOfRange.
        """
        batches = self._take(max_records)
        if not batches and timeout > 0 and self._error is None and not self._reached_strays():
            await self._arrival(timeout)
            batches = self._take(max_records)
        if not batches:
            if strays := self._reached_strays():
                self._report(strays)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
        return batches

    def arrive(self, polled: Polled) -> None:
        """Keep the records of a poll."""
        for place, messages in polled.batches.items():
            if place not in self._owned or place in self._seeks:
                self.taken(len(messages) * messages.weight)
            elif (parts := self._records.get(place)) is None:
                self._records[place] = deque((messages,))
            elif parts[-1].weight == messages.weight:
                parts[-1] = parts[-1].followed_by(messages)
            else:
                parts.append(messages)
        for place, end in polled.ends.items():
            self._ends[place] = end
        for place, offset in polled.strays.items():
            if place in self._owned and place not in self._seeks:
                self._strays[place] = offset
        self.wake()

    def fail(self, error: Exception) -> None:
        """Keep an error for the next fetch."""
        self._error = error
        self.wake()

    def wake(self) -> None:
        """Let a waiting fetch look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def own(self, partitions: Iterable[TopicPartition]) -> None:
        """Keep the records of these partitions from now on."""
        self._owned.update(partitions)

    def disown(self, partitions: Iterable[TopicPartition]) -> None:
        """Drop the records of these partitions."""
        for place in partitions:
            self._owned.discard(place)
            self._seeks.pop(place, None)
            self._drop(place)

    def seek(self, place: TopicPartition) -> Callable[[], None]:
        """Drop what was read of a partition; return the function to call once the thread has carried out the seek."""
        self._drop(place)
        seek = self._seeks[place] = object()

        def carried_out() -> None:
            if self._seeks.get(place) is seek:
                del self._seeks[place]

        return carried_out

    async def _arrival(self, timeout: float) -> None:
        """Wait until there may be something to take; without asyncio.wait, which costs as much as fifty records."""
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout, self.wake)
        try:
            await self._waiter
        finally:
            timer.cancel()

    def _reached_strays(self) -> Sequence[TopicPartition]:
        """Return the partitions whose position is not in the log, and whose records before it are taken."""
        return [place for place in self._strays if place not in self._records] if self._strays else ()

    def _report(self, strays: Sequence[TopicPartition]) -> None:
        for place in strays:
            self._out_of_range(place, self._strays.pop(place))
        raise OffsetOutOfRange(
            f"{', '.join(f'{topic}[{partition}]' for topic, partition in strays)}: the position is not in the log",
            code="OFFSET_OUT_OF_RANGE",
        )

    def _drop(self, place: TopicPartition) -> None:
        self._ends.pop(place, None)
        self._strays.pop(place, None)
        self.taken(sum(len(part) * part.weight for part in self._records.pop(place, ())))

    def _take(self, max_records: int) -> dict[TopicPartition, Sequence[Message]]:
        batches: dict[TopicPartition, Sequence[Message]] = {}
        room, weight = max_records, 0
        for place in tuple(self._records):
            if place in self._paused:
                continue
            parts = self._records.pop(place)
            messages = parts.popleft()
            if len(messages) > room:
                parts.appendleft(messages[room:])
                messages = messages[:room]
            if parts:
                self._records[place] = parts  # it is the last one from now on
            batches[place] = messages
            room -= len(messages)
            weight += len(messages) * messages.weight
            if room <= 0:
                break
        if batches:
            self.taken(weight)
        if self._ends:
            reached = {place: end for place, end in self._ends.items() if place not in self._records}
            self._reached.take(reached)
            for place in reached:
                del self._ends[place]
        return batches
