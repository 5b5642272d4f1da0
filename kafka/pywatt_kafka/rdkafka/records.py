"""Converts confluent-kafka's records into messages.

All records of a poll at once, in loops that run in C: a call into Python for every field of every record costs several
times as much as librdkafka itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import groupby, repeat
from operator import itemgetter
from typing import Any

from pywatt_kafka.records import NO_TIMESTAMP, Header, Message, TopicPartition

_new_message = tuple.__new__
_topic = itemgetter(0)
_partition = itemgetter(1)
_place = itemgetter(0, 1)


@cache
def _fields() -> Any:
    """Return the class of confluent-kafka's records; its methods return the fields."""
    from confluent_kafka import Message as Native

    return Native


def faulty(records: Sequence[Any]) -> bool:
    """Return whether events are among the records."""
    return any(map(_fields().error, records))  # without a comparison: that of its errors leaves an exception pending


def messages_from(records: Sequence[Any]) -> list[Message]:
    """Return the messages of confluent-kafka's records, none of which is an event."""
    native = _fields()
    rows = zip(
        map(native.topic, records),
        map(native.partition, records),
        map(native.offset, records),
        map(native.key, records),
        map(native.value, records),
        _headers(list(records)),
        _timestamps(records),
        strict=True,
    )
    return list(map(_new_message, repeat(Message), rows))


def by_partition(messages: list[Message]) -> dict[TopicPartition, list[Message]]:
    """Return the messages of each partition, in their order."""
    first = messages[0]
    topics, partitions = list(map(_topic, messages)), list(map(_partition, messages))
    if topics.count(first.topic) == partitions.count(first.partition) == len(messages):
        return {TopicPartition(first.topic, first.partition): messages}
    batches: dict[TopicPartition, list[Message]] = {}
    for place, run in groupby(messages, _place):
        batches.setdefault(TopicPartition(*place), []).extend(run)
    return batches


def _timestamps(records: Sequence[Any]) -> Sequence[int]:
    stamps = list(map(_fields().timestamp, records))
    times = list(map(itemgetter(1), stamps))
    if min(times) <= 0:
        return [time if kind else NO_TIMESTAMP for kind, time in stamps]  # 0: not available
    return times


def _headers(records: list[Any]) -> Iterable[tuple[Header, ...]]:
    """Return the headers of each record; none of them when the name of one is not UTF-8.

    confluent_kafka then makes tuples with holes, whose use ends the process, and leaves an exception pending. Python
    raises it after a call by `map`, and after other calls only by chance.
    """
    found: list[Any] = []
    calls = map(_fields().headers, records)
    while len(found) < len(records):
        try:
            found.extend(calls)
        except (SystemError, UnicodeDecodeError):
            found.append(None)
    if found.count(None) == len(found):
        return repeat((), len(found))
    return [tuple(headers) if headers else () for headers in found]


def native(partition: TopicPartition, offset: int | None = None, metadata: str | None = None) -> Any:
    """Return confluent-kafka's form of a partition, with an offset and metadata if given."""
    from confluent_kafka import TopicPartition as Native

    if offset is None:
        return Native(*partition)
    return Native(*partition, offset) if metadata is None else Native(*partition, offset, metadata)
