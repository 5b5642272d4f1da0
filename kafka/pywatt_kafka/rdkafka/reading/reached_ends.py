"""Tracks the offset at which a partition was found to have no further record.

librdkafka reports it as an event among the records, which the poller's thread reads: it holds only until the event
loop seeks or takes a new assignment, and only once the records before it were returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pywatt_kafka.rdkafka.native_messages import NativeMessages
from pywatt_kafka.records import TopicPartition


class EndReached(NamedTuple):
    """An event of a poll: the end of a partition."""

    offset: int
    seeks: int
    """Number of seeks that had been carried out in the partition."""


class Polled(NamedTuple):
    """Records and events of one poll."""

    batches: Mapping[TopicPartition, NativeMessages]
    ends: Mapping[TopicPartition, EndReached]
    strays: Mapping[TopicPartition, int]
    """Offsets that were to be read and are not in the log."""


class ReachedEnds:
    """The ends that were reached, by partition of the current assignment."""

    def __init__(self) -> None:
        self._offsets: dict[TopicPartition, int] = {}
        self._seeks: dict[TopicPartition, int] = {}
        """Seeks that the event loop has asked for."""
        self._carried_out: dict[TopicPartition, int] = {}
        """Seeks and assignments that the thread of the poller has carried out."""

    @property
    def offsets(self) -> Mapping[TopicPartition, int]:
        """The offset of the end that each partition has reached."""
        return self._offsets

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget the ends of these partitions, but how to tell events of before; called while no poll is under way."""
        for place in partitions:
            self._carried_out[place] = self.seek(place)

    def revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget the ends of these partitions."""
        for place in partitions:
            self._offsets.pop(place, None)

    def seek(self, place: TopicPartition) -> int:
        """Note that the event loop asked for a seek; return its number, for `carried_out`."""
        self._offsets.pop(place, None)
        number = self._seeks[place] = self._seeks.get(place, 0) + 1
        return number

    def carried_out(self, place: TopicPartition, number: int) -> None:
        """Note that the poller's thread has carried out that seek."""
        self._carried_out[place] = number

    def end_reached(self, place: TopicPartition, offset: int) -> EndReached:
        """Return the event of an end; called in the poller's thread."""
        return EndReached(offset, self._carried_out.get(place, 0))

    def take(self, ends: Mapping[TopicPartition, EndReached]) -> None:
        """Take the ends of a poll whose records are returned now, without those from before a seek."""
        for place, end in ends.items():
            if end.seeks == self._seeks.get(place, 0):
                self._offsets[place] = end.offset
