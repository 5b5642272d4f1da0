"""The measured lag of a consumer group and of its partitions: values without I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pywatt_kafka.records import TopicPartition

MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionLag:
    """Offsets of one partition at the time of a measurement."""

    committed: int | None
    """Offset that the group committed; None: none. Of a share group: the first record that may still be delivered."""
    position: int
    """Offset of the first record that the group has yet to process, or `end`.

    Not below the log start, and past what is never delivered: markers, aborted, deleted and compacted records.
    """
    end: int
    """The last stable offset: records behind it belong to open transactions, and nobody can read them yet."""
    timestamp: int | None = None
    """Timestamp of the record at `position` in Unix milliseconds; None: there is none, or it could not be read."""

    counted: int | None = None
    """Number of records without a final outcome in a share group, as the broker counts them; None: it does not."""

    @property
    def records(self) -> int:
        """Number of offsets from `position` to `end`, or of those among them that a share group has yet to finish."""
        between = max(0, self.end - self.position)
        return between if self.counted is None else min(self.counted, between)

    def seconds(self, now: float) -> float | None:
        """Return the age of the record at `position` at the Unix time `now`; 0 without lag, None if not known."""
        if not self.records:
            return 0.0
        return None if self.timestamp is None else max(0.0, now - self.timestamp / MILLISECONDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """A consumer group at the time of a measurement."""

    group: str
    known: bool
    """False: the cluster knows neither a member nor a committed offset of the group."""
    members: int | None = None
    """Number of members; None: the cluster does not say it, as the embedded broker."""
    partitions: Mapping[TopicPartition, PartitionLag] = field(default_factory=dict)
    """By partition, in order."""

    def records(self) -> Mapping[str, Mapping[int, int]]:
        """Return the number of records by topic and partition."""
        found: dict[str, dict[int, int]] = {}
        for place, partition in self.partitions.items():
            found.setdefault(place.topic, {})[place.partition] = partition.records
        return found
