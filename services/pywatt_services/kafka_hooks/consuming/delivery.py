"""One record on its way to one target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from pywatt_kafka.processing.commit_metadata import AttemptRecord
from pywatt_kafka.processing.offset_tracker import OffsetTracker
from pywatt_kafka.records import Message, TopicPartition
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.egress import BegunCall
from pywatt_services.kafka_hooks.webhooks.retry import Disposition

KEPT_FAILURES = 10  # of the last attempts, for the dead letter


class RecordHolder(Protocol):
    """Holder of records, which follows their deliveries: an assigned partition, or a record of a share group."""

    place: TopicPartition
    lost: bool
    """Another member's now, or given up: nothing more is done for it."""

    def finish(self, message: Message, share: OffsetTracker) -> None: ...
    def try_again(self, message: Message, share: OffsetTracker, record: AttemptRecord) -> None: ...
    def wait_behind(self, share: OffsetTracker, more: int) -> None: ...


@dataclass(slots=True, eq=False)
class Delivery:
    """A record, its target's share of the partition, and how far it is."""

    message: Message
    partition: RecordHolder
    share: OffsetTracker
    attempts: int = 0
    """Made by us or, as far as is known, by a worker before."""
    failures: tuple[Attempt, ...] = ()
    """The last ones, all of our own."""
    call: BegunCall | None = None
    """The call of its last attempt, if no task waited for it."""
    disposition: Disposition | None = None
    """Set when no attempt is left here; the dead letter or the record of the retry topic is still to be written. Also
    set while a record waits for an attempt that a worker before has put off.
    """
    target_id: int | None = None
    """Id of the target it is for, if another one delivers it: that of a retry topic."""
    obstacle: str = ""
    """Reason why the dead letter or retry record could not be written the last time."""
    read_at: float = 0.0
    """Time of reading, in seconds since 1970, if the record has no timestamp."""
    dlq_failures: int = 0
    """Number of failed attempts to write the dead letter or retry record."""

    def age(self, now: float) -> float:
        """Return the seconds since the record's own time or, if it has none, since it was read."""
        timestamp = self.message.timestamp
        return now - (timestamp / 1000 if timestamp >= 0 else self.read_at)

    def finish(self) -> None:
        """Finish the record."""
        self.partition.finish(self.message, self.share)

    def failed(self, attempt: Attempt) -> None:
        """Keep a failed attempt."""
        self.failures = (*self.failures[1 - KEPT_FAILURES :], attempt)

    def try_again(self, status: int | None, due: float = 0.0) -> None:
        """Record a failed attempt in the commit; `due`: time of the next attempt, in seconds since 1970."""
        self.partition.try_again(self.message, self.share, AttemptRecord(self.attempts, status, due))

    @property
    def offset(self) -> int:
        """Offset in the assigned partition."""
        return self.message.offset

    @property
    def place(self) -> str:
        """Position of the record, for messages."""
        return f"{self.message.topic}[{self.message.partition}]@{self.message.offset}"
