"""Tells which partitions have appeared since the group began, and are to be read from their first record.

A group notices a new topic or partition only after a while. Its members read it from the first record, as it was not
there when they started. A member that starts in the meantime cannot know that: it has seen the partition from the
start, and with `latest` it would begin at the end, and lose what was written before.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.engine.settings import GroupSettings
from pywatt_kafka.engine.topic_names import subscribed
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import TopicPartition
from pywatt_kafka.security.options import Security

logger = logging.getLogger("pywatt_kafka")

NOTICED = timedelta(minutes=1)
"""Time within which a running group notices a topic: several times METADATA_AGE."""
REBALANCING = {"PreparingRebalance", "CompletingRebalance"}
"""States in which a group does not tell what its members read."""


class Appearances:
    """The partitions that were there when a reader first connected, and those of them that its group overlooks."""

    def __init__(self) -> None:
        self._present: Mapping[str, int] | None = None
        """Number of partitions of each topic."""
        self._overlooked: frozenset[TopicPartition] = frozenset()

    async def note(
        self, present: Mapping[str, int], brokers: Sequence[str], security: Security | None, settings: GroupSettings
    ) -> None:
        """Note what is there when the reader connects, before it joins. Raises KafkaUnavailable."""
        if self._present is not None:
            return
        if settings.finds_overlooked:
            pattern = None if settings.pattern is None else re.compile(rf"(?:{settings.pattern})\Z")
            topics = subscribed(present, settings.topics, pattern)
            self._overlooked = await _find_overlooked(brokers, security, settings.membership.group, topics)
        self._present = present

    def __contains__(self, partition: TopicPartition) -> bool:
        """Return whether a partition has appeared since."""
        if self._present is None:
            return False
        return partition in self._overlooked or partition.partition >= self._present.get(partition.topic, 0)


def candidates(committed: Mapping[TopicPartition, int | None]) -> tuple[frozenset[TopicPartition], bool]:
    """Return the partitions behind those that the group has committed in the same topic, and whether there are any
    commits (pure).

    Partitions are only ever added at the end of a topic, and a group with `latest` commits where it begins to read.
    """
    last: dict[str, int] = {}
    for place, offset in committed.items():
        if offset is not None:
            last[place.topic] = max(place.partition, last.get(place.topic, 0))
    behind = (
        place
        for place, offset in committed.items()
        if offset is None and place.partition > last.get(place.topic, place.partition)
    )
    return frozenset(behind), bool(last)


def is_young(beginning: int, end: int, since: int) -> bool:
    """Return whether a log has no record older than `since`, the offset of the first record after a time (pure)."""
    return beginning == end or beginning == since == 0


async def _find_overlooked(
    brokers: Sequence[str], security: Security | None, group: str, topics: Collection[str]
) -> frozenset[TopicPartition]:
    """Return the partitions of topics that are to be read from their first record. Raises KafkaUnavailable.

    They have appeared since the group began: it has committed lower partitions of the same topic; or it is running,
    none of its members reads them, and they have no record older than the time in which a group notices a topic.
    """
    if not topics:
        return frozenset()
    try:
        async with Admin(brokers, security=security) as admin:
            return await _find(admin, group, topics)
    except KafkaUnavailable:
        raise
    except KafkaError as error:  # the embedded broker; or one that forbids it
        logger.debug("group %s: it is not known which partitions it has not noticed yet: %s", group, error)
        return frozenset()


async def _find(admin: Admin, group: str, topics: Collection[str]) -> frozenset[TopicPartition]:
    committed = await admin.list_group_offsets(group, topics)
    added, is_running = candidates(committed)
    others = {place for place, offset in committed.items() if offset is None} - added
    if not others:
        return added
    description = await admin.find_group(group)
    if description is not None and description.members and description.state not in REBALANCING:
        is_running = True
        others -= {place for member in description.members for place in member.partitions}
    if not is_running or not others:
        return added
    beginnings, ends = await admin.list_offsets(others, "earliest"), await admin.list_offsets(others, "latest")
    since = await admin.list_offsets(others, NOTICED)
    return added | {place for place in others if is_young(beginnings[place], ends[place], since[place])}
