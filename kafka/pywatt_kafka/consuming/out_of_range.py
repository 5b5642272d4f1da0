"""Positions that are not in the log of their partition, and where reading continues instead."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Iterable, Mapping
from typing import Protocol

from pywatt_kafka.consuming.start_positions import Fallback
from pywatt_kafka.errors import OffsetOutOfRange
from pywatt_kafka.records import TopicPartition

logger = logging.getLogger("pywatt_kafka")


class _Log(Protocol):
    """Reads the bounds of partitions, and moves in them."""

    def begin_offsets(self, partitions: Iterable[TopicPartition]) -> Awaitable[Mapping[TopicPartition, int]]: ...
    def end_offsets(self, partitions: Iterable[TopicPartition]) -> Awaitable[Mapping[TopicPartition, int]]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...


class OutOfRangePositions:
    """Positions that a broker has refused: deleted by retention, or of a topic that was created again with less."""

    def __init__(self, fallback: Fallback) -> None:
        self._fallback = fallback
        self._offsets: dict[TopicPartition, int] = {}

    def __bool__(self) -> bool:
        return bool(self._offsets)

    def add(self, partition: TopicPartition, offset: int) -> None:
        """Note that a position is not in the log."""
        self._offsets[partition] = offset

    def discard(self, partition: TopicPartition) -> None:
        """Forget that of a partition, as after a seek."""
        self._offsets.pop(partition, None)

    def clear(self) -> None:
        """Forget them, as after another assignment."""
        self._offsets.clear()

    async def recover(self, opened: Awaitable[_Log], limit: float) -> Mapping[TopicPartition, int]:
        """Seek where reading continues; return that.

        `limit`: seconds. Raises TimeoutError, and OffsetOutOfRange with the fallback `fail`.
        """
        strays = dict(self._offsets)
        async with asyncio.timeout(limit):
            log = await opened
            begins, ends = await log.begin_offsets(strays), await log.end_offsets(strays)
        found: dict[TopicPartition, int] = {}
        for place, offset in strays.items():
            begin, end = begins[place], ends[place]
            if begin <= offset <= end:  # a broker that was about to delete the topic may refuse any offset
                found[place] = offset
                log.seek(place, offset)
                self._offsets.pop(place, None)
                continue
            seen = f"{place.topic}[{place.partition}] has no offset {offset} any more: its log holds {begin} to {end}"
            if self._fallback == "fail":
                raise OffsetOutOfRange(
                    seen,
                    hint='choose fallback="earliest" or "latest", or commit an offset for the group',
                    code="OFFSET_OUT_OF_RANGE",
                )
            found[place] = begin if self._fallback == "earliest" else end
            logger.warning("%s; reading continues at %d (%s)", seen, found[place], self._fallback)
            log.seek(place, found[place])
            self._offsets.pop(place, None)
        return found
