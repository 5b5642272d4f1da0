"""Asks a confluent-kafka Consumer where partitions end; called in the poller's thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pywatt_kafka.rdkafka.errors import translated
from pywatt_kafka.rdkafka.records import native
from pywatt_kafka.records import TopicPartition, Unstable

CALL_LIMIT = 5.0  # seconds for a request to the brokers, during which nothing is read


def known_ends(consumer: Any, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
    """Return the offset after the last record of each partition, as the last fetch reported it."""
    ends = {place: consumer.get_watermark_offsets(native(place), cached=True) for place in partitions}
    return {place: found[1] for place, found in ends.items() if found is not None and found[1] >= 0}


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
