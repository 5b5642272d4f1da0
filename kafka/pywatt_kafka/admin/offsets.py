"""Finds offsets of partitions by time, and deletes records before an offset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from pywatt_kafka.admin.connection import AdminConnection, raise_for
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import TopicPartition

Position: TypeAlias = Literal["earliest", "latest"] | datetime | timedelta
"""A position in any partition: its first record, its end, the first record since a time or since so long ago."""

LATEST, EARLIEST = -1, -2
"""Times with a meaning of their own."""
NO_OFFSET = -1
READ_COMMITTED = 1
CLIENT = -1
"""The replica id of what is no replica."""
REFUSALS = {44: "its cleanup.policy is not delete"}
"""Reasons for which a broker deletes no records, by error code."""
TO_THE_END = -1
"""The offset before which all records are deleted."""


def timestamp_of(position: Position, now: datetime | None = None) -> int:
    """Return a position as Kafka's milliseconds since 1970, LATEST or EARLIEST (pure, but for the clock)."""
    match position:
        case "latest":
            return LATEST
        case "earliest":
            return EARLIEST
        case timedelta():
            return round(((now or datetime.now().astimezone()) - position).timestamp() * 1000)
        case datetime():
            return round(position.timestamp() * 1000)


class OffsetOperations(AdminConnection):
    """Operations on offsets of partitions."""

    async def list_offsets(
        self, partitions: Iterable[TopicPartition], position: Position, *, read_committed: bool = False
    ) -> Mapping[TopicPartition, int]:
        """Return the offset of a position in each partition; of a time after the last record, the partition's end.

        `read_committed`: the end is what a reader of committed records sees: an open transaction hides what follows.
        Raises UnknownTopic for a partition that does not exist.
        """
        places = sorted(set(partitions))
        return await self._call(
            f"finding the {position} offsets of {_names(places)}",
            lambda: self._offsets(places, position, read_committed=read_committed),
        )

    async def delete_records(
        self, before: Mapping[TopicPartition, int | Literal["latest"]]
    ) -> Mapping[TopicPartition, int]:
        """Delete the records before an offset of each partition, "latest": all; return where each begins then.

        Raises UnknownTopic, OffsetOutOfRange (an offset beyond the end), or KafkaError for a compacted topic.
        """
        from aiokafka.protocol.admin import DeleteRecordsRequest

        def request(topics: Mapping[str, Sequence[int]]) -> object:
            limits = {place: TO_THE_END if limit == "latest" else limit for place, limit in before.items()}
            parts = [
                (topic, [(number, limits[TopicPartition(topic, number)]) for number in numbers])
                for topic, numbers in topics.items()
            ]
            return DeleteRecordsRequest(parts, int(self._timeout * 1000))

        async def step() -> Mapping[TopicPartition, int]:
            beginnings: dict[TopicPartition, int] = {}
            for answer in await self._send_to_leaders(before, request):
                for topic, partitions, *_tags in answer.topics:
                    for number, beginning, code, *_ in partitions:
                        raise_for(code, f"deleting records of {topic}[{number}]", REFUSALS.get(code))
                        beginnings[TopicPartition(topic, number)] = beginning
            return beginnings

        return await self._call(f"deleting records of {_names(before)}", step)

    async def _offsets(
        self, partitions: Iterable[TopicPartition], position: Position, *, read_committed: bool = False
    ) -> dict[TopicPartition, int]:
        from aiokafka.protocol.offset import OffsetRequest

        time = timestamp_of(position)
        if time >= 0 and self.is_embedded:
            raise KafkaError("the embedded broker finds no offsets by time", hint="a real one: pywatt kafka start")
        found: dict[TopicPartition, int] = {}

        def request(topics: Mapping[str, Sequence[int]]) -> object:
            parts = [(topic, [(number, time) for number in numbers]) for topic, numbers in topics.items()]
            return OffsetRequest(CLIENT, READ_COMMITTED if read_committed else 0, parts)

        for answer in await self._send_to_leaders(partitions, request):
            for topic, answered in answer.topics:
                for number, code, _, offset, *_ in answered:
                    raise_for(code, f"finding an offset of {topic}[{number}]")
                    found[TopicPartition(topic, number)] = offset
        later = [place for place, offset in found.items() if offset == NO_OFFSET]
        if later and time != LATEST:
            found |= await self._offsets(later, "latest", read_committed=read_committed)
        return found


def _names(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(sorted({place.topic for place in partitions}))
