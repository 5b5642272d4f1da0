"""Asks a confluent-kafka Consumer where partitions end; called in the poller's thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.records import native
from pywatt_kafka.records import Offset, TopicPartition, Unstable

CALL_LIMIT = 5.0  # seconds for a request to the brokers, during which nothing is read
BEGIN, END = -2, -1  # Kafka's times of the first record, and of the end


def known_ends(consumer: Any, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Return the offset after the last record of each partition, as the last fetch reported it."""
    ends = {place: consumer.get_watermark_offsets(native(place), cached=True) for place in partitions}
    return {place: found[1] for place, found in ends.items() if found is not None and found[1] >= 0}


def committed_offsets(consumer: Any, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Offset]:
    """Ask for the group's committed offsets with their metadata; a partition without one is left out."""
    with translated("reading committed offsets"):
        found = consumer.committed([native(place) for place in partitions], timeout=CALL_LIMIT)
    for each in found:
        if each.error is not None:
            raise translate(each.error, during="reading committed offsets")
    return {
        TopicPartition(each.topic, each.partition): Offset(each.offset, each.metadata or "")
        for each in found
        if each.offset >= 0
    }


def begin_offsets(consumer: Any, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Ask for the offset of the first record of each partition."""
    return _listed(consumer, dict.fromkeys(partitions, BEGIN), "finding where partitions begin")


def end_offsets(consumer: Any, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Ask for the offset after the last record of each partition that may be read."""
    return _listed(consumer, dict.fromkeys(partitions, END), "finding where partitions end")


def offsets_at(consumer: Any, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
    """Ask for the offset of the first record at or after each time (ms since 1970); None where there is none."""
    found = _listed(consumer, times, "finding offsets by time")
    return {place: offset if offset >= 0 else None for place, offset in found.items()}


def unstable_ranges(consumer: Any, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Unstable]:
    """Ask for the ranges that open transactions hold."""
    found: dict[TopicPartition, Unstable] = {}
    # A request returns the last stable offset; the cached value is the end of the partition.
    for place, begin in end_offsets(consumer, partitions).items():
        with translated("finding open transactions"):
            end = consumer.get_watermark_offsets(native(place), cached=True)[1]
        if 0 <= begin < end:
            found[place] = Unstable(begin, end)
    return found


def _listed(consumer: Any, times: Mapping[TopicPartition, int], during: str) -> Mapping[TopicPartition, int]:
    """Ask each broker once for the offsets at times, as its answer may wait for a fetch on the same connection."""
    if not times:
        return {}
    with translated(during):
        found = consumer.offsets_for_times([native(place, time) for place, time in times.items()], timeout=CALL_LIMIT)
    for each in found:
        if each.error is not None:
            raise translate(each.error, during=during)
    return {TopicPartition(each.topic, each.partition): each.offset for each in found}
