"""Chooses the start offset of a partition without a committed one."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from typing import Protocol

from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.config.options import ConsumerOptions, StartAt

logger = logging.getLogger("pywatt.kafka_hooks")


class ConsumerPositions(Protocol):
    """The consumer's positions."""

    def appeared(self, partition: TopicPartition) -> bool:
        """Return whether a partition did not exist yet when the consumer first connected."""
        ...

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...


class StartOffsets:
    """Starts at the configured offset, else at the end or the beginning; or refuses to read.

    A partition that appears while the consumer runs starts at its beginning: the group notices it only after a while,
    and `latest` would lose what was written until then.
    """

    def __init__(self, options: ConsumerOptions, *, from_the_first: Collection[str] = ()) -> None:
        """`from_the_first`: topics that begin with their earliest record, whatever is said for the others."""
        self._group = options.group_id
        self._start_at = options.start_at
        self._given = {TopicPartition(each.topic, each.partition): each.offset for each in options.offsets}
        self._from_the_first = from_the_first

    def refused(self, partitions: Iterable[TopicPartition]) -> frozenset[TopicPartition]:
        """Return the partitions that must not be read."""
        if self._start_at is not StartAt.FAIL:
            return frozenset()
        return frozenset(
            each for each in partitions if each not in self._given and each.topic not in self._from_the_first
        )

    async def seek(
        self, consumer: ConsumerPositions, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]:
        """Seek the start offsets; return them, without those of partitions that begin with their earliest record."""
        wanted = {each: self._given.get(each) for each in partitions if self._is_sought(each, consumer)}
        if not wanted:
            return {}
        starts = {place: offset for place, offset in wanted.items() if offset is not None}
        try:
            for place, end in (await consumer.end_offsets(wanted)).items():
                given = starts.get(place, end)
                if given > end:
                    logger.warning(
                        "%s[%d] ends at %d: it begins there, not at %d", place.topic, place.partition, end, given
                    )
                starts[place] = min(given, end)
        except KafkaError as error:
            logger.warning("reading begins at the earliest records, as the latest could not be found: %s", error)
        for place, offset in starts.items():
            consumer.seek(place, offset)
        return starts

    def reason(self, refused: Collection[TopicPartition], *, known: bool) -> str | None:
        """Return why partitions are not read, and what to do; `known`: whether the committed offsets are known."""
        if not refused:
            return None
        places = ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(refused))
        if not known:
            return f"{places}: not read, as it is not known what the group {self._group} has committed there"
        return (
            f"{places}: not read, as the group {self._group} has committed nothing there and fallbackMode is fail; "
            "commit an offset while the app is stopped (kafka-consumer-groups --reset-offsets), give one in offsets, "
            "or set fallbackMode to earliest or latest"
        )

    def _is_sought(self, partition: TopicPartition, consumer: ConsumerPositions) -> bool:
        if partition in self._given:
            return True
        if self._start_at is not StartAt.LATEST or partition.topic in self._from_the_first:
            return False
        return not consumer.appeared(partition)
