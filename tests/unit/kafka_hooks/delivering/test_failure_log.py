"""Warnings about a target: the first cause at once, later ones together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

import pytest

from pywatt_kafka import Message, TopicPartition
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.partition_state import PartitionState
from pywatt_services.kafka_hooks.delivering.failure_log import FailureLog, logger
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt

pytestmark = pytest.mark.anyio

FAILURE = Attempt(number=1, requested_at=0, status=None, cause="nobody there")


def delivery(offset: int) -> Delivery:
    place = TopicPartition("orders", 0)
    partition = PartitionState(place, limit=9, targets=[0], changed=lambda _: None, start=0, before={})
    message = Message("orders", 0, offset, None, b"", (), 0)
    return Delivery(message, partition, partition.shares[0], attempts=1, failures=(FAILURE,))


class Told(logging.Handler):
    """The logged lines, to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.put_nowait(record.getMessage())


@pytest.fixture
def told() -> Iterator[Told]:
    handler = Told()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def test_dead_letters_are_told_together_after_the_first(told: Told) -> None:
    failure_log = FailureLog("http://a/", 3, "dead", interval=0.01)
    for offset in range(3):
        failure_log.dead_lettered(delivery(offset))
    async with asyncio.timeout(10):
        messages = [await told.messages.get(), await told.messages.get()]
    failure_log.close()
    assert messages == [
        f"dead letters in dead: {more} more, {count} in all; last: orders[0]@{count - 1}, "
        "which http://a/ did not take: nobody there"
        for more, count in ((1, 1), (2, 3))
    ]


async def test_a_target_is_told_of_when_it_begins_to_fail_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    failure_log = FailureLog("http://a/", 3, "dead")
    for offset in range(3):
        failure_log.failed(delivery(offset), FAILURE)
    failure_log.failing = False
    failure_log.failed(delivery(3), FAILURE)
    failure_log.close()
    assert caplog.messages == ["http://a/ fails: attempt 1 of 3 with orders[0]@0, nobody there"]
