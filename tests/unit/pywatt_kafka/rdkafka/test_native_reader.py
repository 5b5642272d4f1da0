"""What a rebalance throws away with the poll that it breaks off: records are read again, and errors are not lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import KafkaError as Native
from confluent_kafka import KafkaException, Message

from pywatt_kafka.engine.membership import Membership
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.reading.native_reader import NativeReader
from pywatt_kafka.rdkafka.reading.reached_ends import ReachedEnds

FENCED = "Fatal error: Broker: Static consumer fenced by other consumer with same group.instance.id"


class FakeConsumer:
    """Returns one event from `poll`; a rebalance breaks off `consume`."""

    def __init__(self, first: Any, *, fatal: bool = False) -> None:
        self.first = first
        self.fatal = fatal
        self.rebalance: Callable[[], None]
        self.calls: list[str] = []

    def poll(self, timeout: float) -> Any:
        self.calls.append("poll")
        return self.first

    def consume(self, count: int, timeout: float) -> Any:
        self.calls.append("consume")
        self.rebalance()

    def commit(self, offsets: Any, *, asynchronous: bool) -> None:
        assert all(each.offset < 0 for each in offsets)
        raise KafkaException(Native(Native._FATAL if self.fatal else Native._NO_OFFSET))

    def consumer_group_metadata(self) -> None: ...


RECORD = Message(topic="t", partition=0, offset=5, value=b"x")


def reader_of(
    consumer: FakeConsumer, *, instance_id: str | None = None
) -> tuple[NativeReader, ClientHealth, list[KafkaError]]:
    health, errors = ClientHealth(["a:1"]), list[KafkaError]()
    reader = NativeReader(Membership(group="g", instance_id=instance_id), health, ReachedEnds(), errors.append)
    reader.consumer = consumer
    consumer.rebalance = reader.leave_poll
    return reader, health, errors


def test_a_fatal_error_is_returned_before_a_rebalance_can_throw_it_away() -> None:
    consumer = FakeConsumer(Message(error=Native(Native._FATAL, FENCED)))
    reader, health, errors = reader_of(consumer, instance_id="one")
    reader.poll(0, 100)
    assert consumer.calls == ["poll"]
    assert (health.fatal, health.fenced, len(errors)) == (True, True, 1)


@pytest.mark.parametrize("instance_id", ["one", None])
def test_a_fatal_error_among_lost_records_is_noticed(instance_id: str | None) -> None:
    reader, health, _ = reader_of(FakeConsumer(RECORD, fatal=True), instance_id=instance_id)
    assert reader.poll(0, 100) is None
    assert (health.fatal, health.fenced) == (True, instance_id is not None)


def test_a_rebalance_alone_is_no_error() -> None:
    reader, health, errors = reader_of(FakeConsumer(RECORD))
    assert reader.poll(0, 100) is None
    assert (health.fatal, health.fenced, errors) == (False, False, [])
