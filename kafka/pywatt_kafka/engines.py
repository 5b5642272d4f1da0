"""What a Producer and a Consumer need of the Kafka library beneath them, and which libraries there are."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias

from pywatt_kafka.connection import Engine
from pywatt_kafka.engine import require_aiokafka
from pywatt_kafka.errors import MissingDependency
from pywatt_kafka.records import Message, Offset, OutgoingRecord, TopicPartition, Unstable

EngineName: TypeAlias = Literal["aiokafka", "rdkafka"]
"""aiokafka, or librdkafka (the package confluent-kafka)."""


class RecordEngine(Engine, Protocol):
    """Writes records."""

    def knows(self, topic: str) -> bool:
        """Whether the topic is in the client's metadata."""
        ...

    def trouble(self, topic: str) -> str:
        """Return for what a topic's records are sent again and again; empty when they are not, or nobody knows."""
        ...

    def append(self, record: OutgoingRecord) -> asyncio.Future[Any] | None:
        """Put one record into its batch; return what its acknowledgement ends, None when it has to wait for a place."""
        ...

    async def append_later(self, record: OutgoingRecord) -> asyncio.Future[Any]:
        """Put one record into its batch once the topic is known and there is room."""
        ...


class MemberEngine(Engine, Protocol):
    """Reads as a member of a group."""

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return what came within the timeout. Raises KafkaError."""
        ...

    async def rewind(self, partitions: Collection[TopicPartition], known: Mapping[TopicPartition, int]) -> None:
        """Read again what a fetch that failed has taken out; `known`: the offsets to go on at, as far as known."""
        ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...
    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None: ...
    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]: ...
    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    async def unstable(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Unstable]: ...
    def behind(self, known: Mapping[TopicPartition, int]) -> int: ...


def require(engine: EngineName) -> None:
    """Import the library of an engine. Raises MissingDependency."""
    require_aiokafka()  # for what both have in common: topics, lag
    if engine == "rdkafka":
        try:
            import confluent_kafka  # noqa: F401
        except ImportError as error:
            raise MissingDependency(
                "the engine rdkafka needs the package confluent-kafka", hint="pip install 'pywatt[rdkafka]'"
            ) from error
