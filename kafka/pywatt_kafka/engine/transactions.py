"""The part of a transactional producer's engine that transactions need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.protocols import ProducerEngine
from pywatt_kafka.errors import Fenced, KafkaError
from pywatt_kafka.records import Offset, TopicPartition


class TransactionalEngine(ProducerEngine, Protocol):
    """An engine of a producer with a transactional id."""

    async def begin_transaction(self) -> None:
        """Begin a transaction: records are accepted. Raises KafkaError."""
        ...

    async def commit_offsets(self, member: GroupMember, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Add offsets of a group to the transaction. Raises CommitFailed when the member's generation has ended."""
        ...

    async def commit_transaction(self) -> None:
        """Commit. Raises KafkaError; NotAcknowledged when it is unknown whether it was committed."""
        ...

    async def abort_transaction(self) -> None:
        """Roll back. Raises KafkaError."""
        ...


def no_transaction(topic: str) -> KafkaError:
    """Return the error of a record that is written outside a transaction."""
    return KafkaError(
        f"writing to topic {topic}: no transaction is under way",
        hint="write inside `async with producer.transaction()`",
    )


def producer_fenced(transactional_id: str) -> Fenced:
    """Return the error of a producer that another one with its transactional id has replaced."""
    return Fenced(
        f"another producer has taken the transactional id {transactional_id}, or a transaction took longer than its "
        "timeout; this one has ended",
        hint="give each producer a transactional id of its own, and a transaction enough time",
        code="PRODUCER_FENCED",
    )


def check_same_engine(member: GroupMember, *, native: bool) -> None:
    """Raise KafkaError unless the member is one of the producer's own engine; `native`: that is rdkafka."""
    if (member.native is not None) is not native:
        raise KafkaError(
            "the offsets are those of a consumer with another engine",
            hint="use one engine for the consumer and the transactional producer",
        )
