"""Records that were read and not taken yet: their order, and the room that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from pywatt_kafka.rdkafka.native_messages import NativeMessages
from pywatt_kafka.rdkafka.reading.reached_ends import Polled, ReachedEnds
from pywatt_kafka.rdkafka.reading.read_ahead import ReadAhead
from pywatt_kafka.rdkafka.records import RECORD_BYTES, weight_of
from pywatt_kafka.records import Message, TopicPartition

Native: Any = pytest.importorskip("confluent_kafka").Message
pytestmark = pytest.mark.anyio

PLACE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def records(*offsets: int, size: int = 1) -> list[Any]:
    return [Native(topic="t", partition=0, offset=offset, value=b"x" * size) for offset in offsets]


def part(*offsets: int, weight: int = 1) -> NativeMessages:
    return NativeMessages("t", records(*offsets), weight)


def offsets(batches: Mapping[TopicPartition, Sequence[Message]]) -> dict[TopicPartition, list[int]]:
    return {place: [each.offset for each in messages] for place, messages in batches.items()}


class Reading:
    """A ReadAhead, and what it has told of the room that it no longer needs."""

    def __init__(self) -> None:
        self.paused: set[TopicPartition] = set()
        self.taken: list[int] = []
        self.ahead = ReadAhead(ReachedEnds(), self.paused, lambda place, offset: None)
        self.ahead.taken = self.taken.append
        self.ahead.own([PLACE, OTHER])

    def arrive(self, *parts: NativeMessages, place: TopicPartition = PLACE) -> None:
        for each in parts:
            self.ahead.arrive(Polled({place: each}, {}, {}))

    async def fetch(self, max_records: int = 10) -> dict[TopicPartition, list[int]]:
        return offsets(await self.ahead.fetch(0, max_records))


async def test_polls_of_the_same_weight_are_fetched_together() -> None:
    reading = Reading()
    reading.arrive(part(1, 2), part(3))
    assert await reading.fetch() == {PLACE: [1, 2, 3]}
    assert reading.taken == [3]
    assert await reading.fetch() == {}


async def test_records_keep_their_order_through_parts_of_different_weights() -> None:
    reading = Reading()
    reading.arrive(part(1, 2), part(3, 4, weight=5), part(5))
    assert [await reading.fetch(max_records=1), await reading.fetch()] == [{PLACE: [1]}, {PLACE: [2]}]
    assert [await reading.fetch(max_records=1), await reading.fetch()] == [{PLACE: [3]}, {PLACE: [4]}]
    assert [await reading.fetch(), await reading.fetch()] == [{PLACE: [5]}, {}]
    assert reading.taken == [1, 1, 5, 5, 1]


async def test_all_parts_make_room_when_a_partition_is_given_up() -> None:
    reading = Reading()
    reading.arrive(part(1, 2), part(3, weight=7))
    reading.ahead.disown([PLACE])
    assert reading.taken == [9]
    reading.arrive(part(4, weight=7))
    assert (reading.taken, await reading.fetch()) == ([9, 7], {})


async def test_a_seek_drops_all_parts() -> None:
    reading = Reading()
    reading.arrive(part(1), part(2, weight=3))
    carried_out = reading.ahead.seek(PLACE)
    reading.arrive(part(3))
    carried_out()
    reading.arrive(part(9))
    assert await reading.fetch() == {PLACE: [9]}
    assert sum(reading.taken) == 1 + 3 + 1 + 1


async def test_a_paused_partition_keeps_its_records() -> None:
    reading = Reading()
    reading.arrive(part(1))
    reading.arrive(part(5), place=OTHER)
    reading.paused.add(PLACE)
    assert await reading.fetch() == {OTHER: [5]}
    reading.paused.clear()
    assert await reading.fetch() == {PLACE: [1]}


@pytest.mark.parametrize(
    ("size", "weight"), [(0, 1), (100, 1), (RECORD_BYTES - 1, 1), (RECORD_BYTES, 2), (64 * RECORD_BYTES, 65)]
)
def test_a_large_record_counts_as_several(size: int, weight: int) -> None:
    assert weight_of(records(1, 2, size=size)) == weight


def test_records_without_a_value_have_a_weight() -> None:
    assert weight_of([Native(topic="t", partition=0, offset=0, value=None)]) == 1
