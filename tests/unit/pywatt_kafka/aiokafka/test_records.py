"""The conversion of aiokafka's records to our own."""

from __future__ import annotations

from aiokafka.structs import ConsumerRecord
from aiokafka.structs import TopicPartition as Native

from pywatt_kafka.aiokafka.records import batches_from, message_from
from pywatt_kafka.records import Message, TopicPartition


def record(offset: int, value: bytes | None) -> ConsumerRecord[bytes, bytes]:
    return ConsumerRecord("orders", 3, offset, 1700, 0, b"key", value, None, 3, 5, (("name", b"x"),))


def test_batches_hold_what_single_records_do() -> None:
    records = [record(7, b"value"), record(9, None)]
    batches = batches_from({Native("orders", 3): records})
    assert batches == {TopicPartition("orders", 3): [message_from(each) for each in records]}
    (place,) = batches
    assert type(place) is TopicPartition
    assert batches[place][0] == Message("orders", 3, 7, b"key", b"value", (("name", b"x"),), 1700)
    assert all(type(each) is Message for each in batches[place])
