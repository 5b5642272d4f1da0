"""Positions that are not in the log are reported once the records before them are taken."""

from __future__ import annotations

import pytest

from pywatt_kafka.errors import OffsetOutOfRange
from pywatt_kafka.rdkafka.native_messages import NativeMessages
from pywatt_kafka.rdkafka.reading.reached_ends import Polled, ReachedEnds
from pywatt_kafka.rdkafka.reading.read_ahead import ReadAhead
from pywatt_kafka.records import TopicPartition

pytestmark = pytest.mark.anyio

HERE, THERE = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Record:
    """As confluent-kafka's."""

    def __init__(self, place: TopicPartition, offset: int) -> None:
        self.place = place
        self._offset = offset

    def offset(self) -> int:
        return self._offset


class Setup:
    def __init__(self) -> None:
        self.out_of_range: list[tuple[TopicPartition, int]] = []
        self.held = 0
        self.read_ahead = ReadAhead(
            ReachedEnds(), set(), lambda place, offset: self.out_of_range.append((place, offset))
        )
        self.read_ahead.taken = self.take
        self.read_ahead.own([HERE, THERE])

    def take(self, count: int) -> None:
        self.held -= count

    def arrive(self, *records: Record, strays: dict[TopicPartition, int] | None = None) -> None:
        batches: dict[TopicPartition, list[Record]] = {}
        for each in records:
            batches.setdefault(each.place, []).append(each)
        self.held += len(records)
        found = {place: NativeMessages(place.topic, of_place, 1) for place, of_place in batches.items()}
        self.read_ahead.arrive(Polled(found, {}, strays or {}))


async def test_a_position_out_of_range_is_reported_after_the_records_before_it() -> None:
    setup = Setup()
    setup.arrive(Record(HERE, 4), Record(HERE, 5), strays={HERE: 6})
    assert list(await setup.read_ahead.fetch(0, 1)) == [HERE]
    assert list(await setup.read_ahead.fetch(0, 1)) == [HERE]
    assert setup.out_of_range == []
    with pytest.raises(OffsetOutOfRange, match=r"orders\[0\]"):
        await setup.read_ahead.fetch(0, 1)
    assert setup.out_of_range == [(HERE, 6)]
    assert await setup.read_ahead.fetch(0, 1) == {}
    assert setup.held == 0


async def test_records_of_other_partitions_are_not_lost_to_it() -> None:
    setup = Setup()
    setup.arrive(Record(THERE, 4), strays={HERE: 6})
    assert list(await setup.read_ahead.fetch(0, 9)) == [THERE]
    with pytest.raises(OffsetOutOfRange):
        await setup.read_ahead.fetch(10, 9)


async def test_a_seek_or_a_revocation_forgets_it() -> None:
    setup = Setup()
    setup.arrive(strays={HERE: 6, THERE: 7})
    carried_out = setup.read_ahead.seek(HERE)
    setup.arrive(strays={HERE: 6})  # from before the seek
    setup.read_ahead.disown([THERE])
    setup.arrive(strays={THERE: 7})
    carried_out()
    assert await setup.read_ahead.fetch(0, 9) == {}
    assert setup.out_of_range == []
