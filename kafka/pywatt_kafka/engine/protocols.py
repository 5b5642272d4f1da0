"""Protocols of the engines: clients of a Kafka library, as producers, consumers and their connection use them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import Message, Offset, OutgoingRecord, RecordPosition, TopicPartition, Unstable

Acknowledge: TypeAlias = Callable[[RecordPosition | KafkaError], None]
"""Receives the position of a written record, or the reason why it was not written."""
Append: TypeAlias = "tuple[OutgoingRecord, Acknowledge]"
"""A record to append, and the callback for its outcome."""


class Engine(Protocol):
    """A client of a Kafka library that can be opened, checked and closed."""

    async def open(self) -> None:
        """Connect. Raises KafkaError."""
        ...

    def stale(self) -> bool:
        """Return whether the cluster should be checked now instead of at the next interval. Costs no traffic."""
        ...

    async def check(self) -> None:
        """Ask the cluster for its metadata. Raises KafkaError while it does not answer or the client has an error."""
        ...

    def broken(self) -> bool:
        """Return whether this client can never work again and must be replaced.

        Raises Fenced when another client has taken its place.
        """
        ...

    async def close(self) -> None:
        """Release everything within a bounded time; also after a failed `open`."""
        ...


class ProducerEngine(Engine, Protocol):
    """An engine that writes records."""

    def knows(self, topic: str) -> bool:
        """Return whether the topic is in the client's metadata."""
        ...

    def missed_at(self, topic: str) -> float | None:
        """Return the event loop's time of the last answer that did not know the topic; None if there is none."""
        ...

    def retry_reason(self, topic: str) -> str:
        """Return why a topic's records are being retried; empty when they are not, or the library does not say."""
        ...

    def append(self, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add one record to its batch; return False when its topic is not known yet or there is no room.

        If it returns True, `done` is called once, in the event loop, at the latest after the request timeout. May raise
        KafkaError for a record that can never be written.
        """
        ...

    def append_all(self, appends: Sequence[Append]) -> int:
        """Append records up to the first one that `append` would not take, or would raise for; return their number."""
        ...

    def append_bytes(self, topic: str, value: bytes | None, key: bytes | None, done: Acknowledge | None) -> bool:
        """Append a record of a key and a value alone, without an object for it; return False if it is not taken.

        Then `append` tells why. `done` None: nobody waits for its position, and `lost` of the settings gets its error.
        """
        ...

    def collect(self) -> None:
        """Learn which records were acknowledged meanwhile, in a turn of the event loop with many of them."""
        ...

    async def ready(self, record: OutgoingRecord) -> None:
        """Wait until the topic of a record is known and there may be room for it.

        Raises KafkaError for a topic that cannot be written to.
        """
        ...

    async def flush(self) -> None:
        """Send all records that were appended, without waiting for more of their batches, until each has an outcome."""
        ...


class GroupEngine(Engine, Protocol):
    """An engine that reads as a member of a consumer group."""

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return the records that arrive within the timeout (seconds). Raises KafkaError."""
        ...

    async def rewind(self, partitions: Collection[TopicPartition], known: Mapping[TopicPartition, int]) -> None:
        """Seek back to the records that a failed fetch discarded; `known`: the next offset of each partition."""
        ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None: ...
    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]: ...
    async def begin_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    async def offsets_at(self, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
        """Return the offset of the first record at or after each time (ms since 1970); None where there is none."""
        ...

    async def unstable(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Unstable]: ...
    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset up to which all deliverable records of each partition were returned, where it is known.

        It passes what is never returned: markers and records of aborted transactions, deleted and compacted records.
        """
        ...

    def member(self) -> GroupMember:
        """Return the member with its current generation. Raises CommitFailed while it is not in the group."""
        ...

    def behind(self, known: Mapping[TopicPartition, int]) -> int: ...
