"""Asks a confluent-kafka Consumer where partitions end; called in the poller's thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.records import native
from pywatt_kafka.records import Offset, TopicPartition, Unstable

CALL_LIMIT = 5.0  # seconds for a request to the brokers, during which nothing is read


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
    with translated("finding where partitions begin"):
        return {place: consumer.get_watermark_offsets(native(place), timeout=CALL_LIMIT)[0] for place in partitions}


def offsets_at(consumer: Any, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
    """Ask for the offset of the first record at or after each time (ms since 1970); None where there is none."""
    wanted = [native(place, time) for place, time in times.items()]
    with translated("finding offsets by time"):
        found = consumer.offsets_for_times(wanted, timeout=CALL_LIMIT)
    for each in found:
        if each.error is not None:
            raise translate(each.error, during="finding offsets by time")
    return {TopicPartition(each.topic, each.partition): each.offset if each.offset >= 0 else None for each in found}


def end_offsets(consumer: Any, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Ask for the offset after the last record of each partition."""
    with translated("finding where partitions end"):
        return {place: consumer.get_watermark_offsets(native(place), timeout=CALL_LIMIT)[1] for place in partitions}


def unstable_ranges(consumer: Any, partitions: Sequence[TopicPartition]) -> Mapping[TopicPartition, Unstable]:
    """Ask for the ranges that open transactions hold."""
    found: dict[TopicPartition, Unstable] = {}
    with translated("finding open transactions"):
        for place in partitions:
            # A request returns the last stable offset; the cached value is the end of the partition.
            begin = consumer.get_watermark_offsets(native(place), timeout=CALL_LIMIT)[1]
            end = consumer.get_watermark_offsets(native(place), cached=True)[1]
            if 0 <= begin < end:
                found[place] = Unstable(begin, end)
    return found
