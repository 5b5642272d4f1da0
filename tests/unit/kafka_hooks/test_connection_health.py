"""The service is degraded while any of its Kafka clients is disconnected."""

from __future__ import annotations

import asyncio

import pytest

from pywatt_kafka import ConnectionState, ConnectionStatus
from pywatt_services.kafka_hooks.connection_health import ConnectionHealth

pytestmark = pytest.mark.anyio

CONNECTED = ConnectionStatus(ConnectionState.CONNECTED)
AWAY = ConnectionStatus(ConnectionState.AWAY, "no broker answers")


async def test_degraded_until_the_last_client_is_back() -> None:
    told: list[str | None] = []
    health = ConnectionHealth(told.append)
    producer, consumer = health.watch("producer"), health.watch("consumer")
    for status in (AWAY, CONNECTED):
        producer(status)
        consumer(status)
    assert told == ["Kafka is away: no broker answers"] * 3 + [None]


async def test_degraded_while_something_is_not_done() -> None:
    told: list[str | None] = []
    health = ConnectionHealth(told.append)
    consumer = health.watch("consumer")
    consumer(CONNECTED)
    health.refused(None)
    health.refused("orders[0]: not read")
    consumer(AWAY)
    consumer(CONNECTED)
    health.refused(None)
    assert told == [None, "orders[0]: not read", "Kafka is away: no broker answers", "orders[0]: not read", None]


async def test_settled_when_every_client_has_tried() -> None:
    health = ConnectionHealth(lambda reason: None)
    producer, consumer = health.watch("producer"), health.watch("consumer")
    settled = asyncio.ensure_future(health.settled())
    producer(AWAY)
    await asyncio.sleep(0)
    assert not settled.done()
    consumer(CONNECTED)
    async with asyncio.timeout(5):
        await settled
