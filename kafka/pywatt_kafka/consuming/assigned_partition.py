"""One assignment of a partition to this member: the position of reading, and the last commit."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from pywatt_kafka.records import Offset, TopicPartition

if TYPE_CHECKING:
    from pywatt_kafka.consuming.commit_queue import CommitQueue
    from pywatt_kafka.consuming.stream_message import Record


class Tenure(enum.Enum):
    """State of an assignment."""

    HELD = enum.auto()
    RESTING = enum.auto()
    """Revoked by a rebalance, which may assign it again."""
    LOST = enum.auto()
    """Another member's now, or given up."""


HELD, RESTING, LOST = Tenure


class AssignedPartition:
    """One assignment of a partition; it survives a rebalance after which the partition is this member's again."""

    __slots__ = ("_start", "commits", "committed", "epoch", "floor", "place", "sent", "tenure", "yielded")

    def __init__(
        self, place: TopicPartition, commits: CommitQueue, *, committed: Offset | None = None, start: int | None = None
    ) -> None:
        """`committed`: the group's committed offset. `start`: the first offset to read, if it is known."""
        self.place = place
        self.commits = commits
        self.committed = committed
        self.floor = -1 if committed is None else committed.offset
        """Offset below which a commit does nothing."""
        self.sent: Offset | None = None
        """Offset of the last commit request, which may have been carried out without an answer."""
        self.tenure = HELD
        self.epoch = 0
        """Raised whenever reading does not go on where it was: records that were fetched before are dropped."""
        self.yielded: Record | None = None
        """The last record that was handed out."""
        self._start = start

    @property
    def position(self) -> int | None:
        """The offset of the next record to hand out; None when it is not known yet."""
        return self._start if self.yielded is None else self.yielded.offset + 1

    def move(self, offset: int) -> None:
        """Continue at that offset."""
        self.epoch += 1
        self.yielded = None
        self.floor = min(self.floor, offset)
        self._start = offset

    def skip_to(self, offset: int) -> None:
        """Note that there is no record from the position up to `offset`."""
        self.yielded = None
        self._start = offset

    def continues(self, committed: Offset | None) -> bool:
        """Return whether no other member has committed anything, if this is what the group has committed."""
        return committed == self.committed or (committed is not None and committed == self.sent)

    def __str__(self) -> str:
        return f"{self.place.topic}[{self.place.partition}]"
