"""The ends that librdkafka reports, against seeks and assignments that overtake them."""

from __future__ import annotations

from pywatt_kafka.rdkafka.drained import DrainedPartitions
from pywatt_kafka.records import TopicPartition

ONE, TWO = TopicPartition("orders", 0), TopicPartition("orders", 1)


def test_end_counts_once_its_poll_is_returned() -> None:
    drained = DrainedPartitions()
    drained.assigned([ONE, TWO])
    polled = {ONE: drained.end_reached(ONE, 100)}
    assert drained.offsets == {}
    drained.take(polled)
    assert drained.offsets == {ONE: 100}


def test_end_of_before_a_seek_does_not_count() -> None:
    drained = DrainedPartitions()
    drained.assigned([ONE, TWO])
    before = {ONE: drained.end_reached(ONE, 100), TWO: drained.end_reached(TWO, 7)}
    number = drained.seek(ONE)
    during = {ONE: drained.end_reached(ONE, 100)}
    drained.carried_out(ONE, number)
    drained.take(before)
    drained.take(during)
    assert drained.offsets == {TWO: 7}
    drained.take({ONE: drained.end_reached(ONE, 100)})
    assert drained.offsets == {ONE: 100, TWO: 7}


def test_end_of_an_earlier_assignment_does_not_count() -> None:
    drained = DrainedPartitions()
    drained.assigned([ONE])
    before = {ONE: drained.end_reached(ONE, 100)}
    drained.take(before)
    drained.assigned([ONE])
    assert drained.offsets == {}
    drained.take(before)
    assert drained.offsets == {}
    drained.take({ONE: drained.end_reached(ONE, 120)})
    assert drained.offsets == {ONE: 120}
