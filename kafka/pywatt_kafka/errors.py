"""The errors of this library.

KafkaError                 message, hint
├── KafkaUnavailable       no broker answered within the time allowed: try again later
│   └── NotAcknowledged    a record was sent and no acknowledgement came in time: it may be written all the same
├── UnknownTopic           the topic does not exist (and the broker does not create it), or cannot by its name
│   └── UnknownPartition   the topic has no partition of that number
├── RecordTooLarge         the record is larger than the client or the broker takes
├── InvalidRecord          the topic takes no such record (a compacted one none without a key)
├── NotAuthorized          the broker refuses this client
├── CommitFailed           the partition is no longer this member's: another one delivers it again
├── MissingDependency      an optional package, or Java, is not installed
└── BrokerFailed           a broker for development did not start
"""

from __future__ import annotations


class KafkaError(Exception):
    """Base class of all errors of this library."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        """Suggested remedy."""


class KafkaUnavailable(KafkaError):
    """No broker answered within the time allowed; the same call may work later."""


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


class NotAuthorized(KafkaError):
    """The broker rejects this client."""


class CommitFailed(KafkaError):
    """The group has given the partition to another member, which delivers the uncommitted records again."""


class MissingDependency(KafkaError):
    """An optional package, or Java, is not installed."""


class BrokerFailed(KafkaError):
    """A broker for development did not start."""
