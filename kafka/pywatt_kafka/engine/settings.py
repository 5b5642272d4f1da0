"""Settings of producer and group engines, the same for every Kafka library."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.engine.membership import Membership
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import RecordPosition, TopicPartition

METADATA_AGE = 30_000  # ms; the connection's own checks refresh it sooner
ERROR_TTL = 3.0  # seconds for which an error counts against the status
TRANSACTION_TIMEOUT = 60.0  # seconds, both libraries' default
FLUSH_LIMIT = 3.0  # seconds to send the remaining records when a producer is closed

EngineName: TypeAlias = Literal["aiokafka", "rdkafka"]
"""aiokafka, or librdkafka (the package confluent-kafka)."""
Acks: TypeAlias = Literal["all", 1, 0]
Compression: TypeAlias = Literal["gzip", "snappy", "lz4", "zstd"]


def _untranslated(topic: str, error: BaseException) -> KafkaError:
    return KafkaError(f"writing to topic {topic}: {error}")


def _ignored(outcome: RecordPosition | KafkaError) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerSettings:
    """Settings of a producer engine."""

    client_id: str
    acks: Acks
    idempotent: bool
    linger_ms: int
    compression: Compression | None
    batch_bytes: int
    buffer_bytes: int
    """Limit of the records that are not acknowledged yet; further ones wait for room."""
    max_request_bytes: int
    request_timeout: float
    """Seconds."""
    transactional_id: str | None = None
    transaction_timeout: float = TRANSACTION_TIMEOUT
    """Seconds after which the brokers abort a transaction."""
    failure: Callable[[str, BaseException], KafkaError] = _untranslated
    """Returns the error for a record of a topic that was sent, from the error of the library."""
    lost: Callable[[RecordPosition | KafkaError], None] = _ignored
    """Receives the error of each record that has no callback of its own."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """librdkafka's options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSettings:
    """Settings of a group engine."""

    membership: Membership
    topics: tuple[str, ...]
    pattern: str | None
    """Matches the whole names of further topics."""
    client_id: str
    fetching: Fetching
    finds_overlooked: bool = False
    """Ask at the start which partitions the group has not noticed yet."""
    opened: Callable[[Mapping[str, int]], Awaitable[None]]
    """Awaited after connecting and before joining, with the number of partitions of each topic that exists."""
    assigned: Callable[[frozenset[TopicPartition]], Awaitable[None]]
    """Receives the partitions that were added."""
    revoked: Callable[[frozenset[TopicPartition]], Awaitable[None]]
    """Receives the partitions that were given up."""
    out_of_range: Callable[[TopicPartition, int], None]
    """Called with an offset to read that is not in its partition's log, before `fetch` raises OffsetOutOfRange."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """librdkafka's options."""
