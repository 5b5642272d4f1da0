"""The errors of this library.

KafkaError                 message, hint, code, retriable
├── KafkaUnavailable       no broker answered within the time allowed: try again later
│   └── NotAcknowledged    a record was sent and no acknowledgement came in time: it may be written all the same
├── UnknownTopic           the topic does not exist (and the broker does not create it), or cannot by its name
│   └── UnknownPartition   the topic has no partition of that number
├── RecordTooLarge         the record is larger than the client or the broker takes
├── InvalidRecord          the topic takes no such record (a compacted one none without a key)
├── SerializationFailed    a key or value cannot be turned into bytes, or bytes into it: topic, partition, offset
├── OffsetOutOfRange       the partition has no record at that offset: it was deleted, or never written
├── NotAuthorized          the broker refuses this client
├── CommitFailed           the partition is no longer this member's: another one delivers it again
├── Fenced                 another client uses the same static member id or transactional id, and replaces this one
├── TransactionAborted     the transaction was rolled back: none of its records and offsets count; begin it again
├── ClientClosed           the client is used before it was connected, or after it was closed
├── WrongLoop              the client is used in another event loop or process than the one that it was connected in
├── MissingDependency      an optional package, or Java, is not installed
└── BrokerFailed           a broker for development did not start
"""

from __future__ import annotations


class KafkaError(Exception):
    """Base class of all errors of this library."""

    retriable: bool = False
    """True if the same call may succeed later without a change."""

    def __init__(self, message: str, *, hint: str = "", code: str = "", retriable: bool | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """Suggested remedy."""
        self.code = code
        """Kafka's name of the error, such as `NOT_ENOUGH_REPLICAS`; empty if it has none."""
        if retriable is not None:
            self.retriable = retriable


class KafkaUnavailable(KafkaError):
    """No broker answered within the time allowed; the same call may work later."""

    retriable = True


class NotAcknowledged(KafkaUnavailable):
    """A record was sent and no acknowledgement came in time: it may have been written, or may yet be."""


class UnknownTopic(KafkaError):
    """The topic does not exist and the broker does not create it."""


class UnknownPartition(UnknownTopic):
    """The topic has no partition of that number."""


class RecordTooLarge(KafkaError):
    """The record is larger than the client or the broker takes."""


class InvalidRecord(KafkaError):
    """The topic rejects the record: a compacted one without a key, others with an invalid timestamp."""


class SerializationFailed(KafkaError):
    """A key or value cannot be turned into bytes, or the bytes of a record into a key or value."""

    def __init__(
        self,
        message: str,
        *,
        topic: str,
        partition: int | None = None,
        offset: int | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.topic = topic
        self.partition = partition
        """None for a record that is not written yet; so is `offset`."""
        self.offset = offset


class OffsetOutOfRange(KafkaError):
    """The partition has no record at that offset: it was deleted, or never written."""


class NotAuthorized(KafkaError):
    """The broker rejects this client."""


class CommitFailed(KafkaError):
    """The group has given the partition to another member, which delivers the uncommitted records again."""


class Fenced(KafkaError):
    """Another client uses the same static member id or transactional id; the broker has replaced this one by it."""


class TransactionAborted(KafkaError):
    """The transaction was rolled back: none of its records and offsets count. It can be begun again."""

    retriable = True


class ClientClosed(KafkaError):
    """The client is used before it was connected, or after it was closed."""


class WrongLoop(KafkaError):
    """The client is used in another event loop or process than the one that it was connected in."""


class MissingDependency(KafkaError):
    """An optional package, or Java, is not installed."""


class BrokerFailed(KafkaError):
    """A broker for development did not start."""
