"""Tests of the queue of batches: room, full batches, records that take too long, failures. No broker."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from aiokafka import TopicPartition as Native
from aiokafka.cluster import ClusterMetadata
from aiokafka.producer.message_accumulator import MessageAccumulator

from pywatt_kafka.aiokafka.accumulator import Accumulator
from pywatt_kafka.engine.settings import ProducerSettings
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import OutgoingRecord, RecordPosition

pytestmark = pytest.mark.anyio

PLACE = Native("t", 0)
LIMIT = 20.0  # seconds


def accumulator(*, timeout: float = LIMIT, buffer_bytes: int = 10_000) -> Accumulator:
    settings = ProducerSettings(
        client_id="c",
        acks="all",
        idempotent=False,
        linger_ms=0,
        compression=None,
        batch_bytes=1000,
        buffer_bytes=buffer_bytes,
        max_request_bytes=10_000,
        request_timeout=timeout,
    )
    return Accumulator(MessageAccumulator(ClusterMetadata(), 1000, 0, timeout), settings)


def record(size: int = 100) -> OutgoingRecord:
    return OutgoingRecord("t", b"x" * size, None, [], None, None)


async def test_full_batch_opens_the_next_one_until_there_is_no_room() -> None:
    queue, told = accumulator(), list[RecordPosition | KafkaError]()
    while queue.add(PLACE, record(), told.append):
        pass
    batches = list(queue._batches[PLACE])
    assert len(batches) > 10
    assert 10_000 <= queue.buffered < 10_200
    with anyio.move_on_after(0.05) as waited:
        await queue.room()
    assert waited.cancelled_caught
    count = batches[0].record_count
    batches[0].drain_ready()
    queue._batches[PLACE].popleft().done(500)
    assert told == [RecordPosition("t", 0, 500 + number) for number in range(count)]
    with anyio.fail_after(LIMIT):
        await queue.room()
    assert queue.add(PLACE, record(), told.append)
    queue.end()
    assert queue.buffered == 0
    with pytest.raises(KafkaUnavailable):
        await queue.room()


async def test_position_of_a_batch_that_the_broker_knew_already_is_unknown() -> None:
    queue, told = accumulator(), list[RecordPosition | KafkaError]()
    queue.add(PLACE, record(), told.append)
    queue.add(PLACE, record(), told.append)
    queue._batches[PLACE].popleft().done(-1)
    assert told == [RecordPosition("t", 0, -1)] * 2
    queue.end()


async def test_records_that_take_too_long_fail_and_are_not_sent() -> None:
    queue, told = accumulator(timeout=0.1), list[RecordPosition | KafkaError]()
    begun = anyio.current_time()
    assert queue.add(PLACE, record(), told.append)
    with anyio.fail_after(LIMIT):
        while not told:
            await anyio.lowlevel.checkpoint()
    assert anyio.current_time() - begun >= 0.1
    assert isinstance(told[0], KafkaError)
    assert (dict(queue._batches), queue.buffered) == ({}, 0)
    assert queue.add(PLACE, record(), told.append)
    queue.end()
    assert len(told) == 2


async def test_batch_that_was_sent_is_acknowledged_late_without_harm() -> None:
    queue, told = accumulator(timeout=0.1), list[RecordPosition | KafkaError]()
    queue.add(PLACE, record(), told.append)
    batch = queue._pop_batch(PLACE)
    with anyio.fail_after(LIMIT):
        while not told:
            await anyio.lowlevel.checkpoint()
    batch.done(7)
    assert len(told) == 1
    assert batch.expire(1e9, 2e9)
    queue.end()


async def test_callbacks_may_add_records_while_all_fail() -> None:
    queue, told = accumulator(), list[RecordPosition | KafkaError]()

    def again(outcome: RecordPosition | KafkaError) -> None:
        told.append(outcome)
        for partition in range(10):
            assert not queue.add(Native("t", partition), record(), told.append)

    for partition in range(3):
        queue.add(Native("t", partition), record(), again)
    queue.end()
    assert len(told) == 3


async def test_record_that_cannot_be_encoded_leaves_the_queue_as_it_was() -> None:
    queue, told = accumulator(), list[RecordPosition | KafkaError]()
    bad = OutgoingRecord("t", b"x", None, [("\ud800", b"")], None, None)
    with pytest.raises(UnicodeEncodeError):
        queue.add(PLACE, bad, told.append)
    assert not queue._batches
    assert queue.add(PLACE, record(), told.append)
    with pytest.raises(UnicodeEncodeError):
        queue.add(PLACE, bad, told.append)
    assert queue._batches[PLACE][0].record_count == 1
    queue.end()
