"""The ends that librdkafka reports, against seeks and assignments that overtake them."""

from __future__ import annotations

from pywatt_kafka.rdkafka.reading.reached_ends import ReachedEnds
from pywatt_kafka.records import TopicPartition

ONE, TWO = TopicPartition("orders", 0), TopicPartition("orders", 1)


def test_end_counts_once_its_poll_is_returned() -> None:
    reached = ReachedEnds()
    reached.assigned([ONE, TWO])
    polled = {ONE: reached.end_reached(ONE, 100)}
    assert reached.offsets == {}
    reached.take(polled)
    assert reached.offsets == {ONE: 100}


def test_end_of_before_a_seek_does_not_count() -> None:
    reached = ReachedEnds()
    reached.assigned([ONE, TWO])
    before = {ONE: reached.end_reached(ONE, 100), TWO: reached.end_reached(TWO, 7)}
    number = reached.seek(ONE)
    during = {ONE: reached.end_reached(ONE, 100)}
    reached.carried_out(ONE, number)
    reached.take(before)
    reached.take(during)
    assert reached.offsets == {TWO: 7}
    reached.take({ONE: reached.end_reached(ONE, 100)})
    assert reached.offsets == {ONE: 100, TWO: 7}


def test_end_of_an_earlier_assignment_does_not_count() -> None:
    reached = ReachedEnds()
    reached.assigned([ONE])
    before = {ONE: reached.end_reached(ONE, 100)}
    reached.take(before)
    reached.assigned([ONE])
    assert reached.offsets == {}
    reached.take(before)
    assert reached.offsets == {}
    reached.take({ONE: reached.end_reached(ONE, 120)})
    assert reached.offsets == {ONE: 120}
