"""kafka-hooks commits past what is never delivered, so that an idle app has no lag."""

from __future__ import annotations

import anyio
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from harness.hooks import LONG, RunHooks, Target
from harness.undeliverable import delete_records, transaction

from pywatt_kafka import Producer, consumer_lag, ensure_topics

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]


END = 3 + 1 + 1500 + 1
"""Offset after a committed and an aborted transaction, with their markers."""


async def committed(broker: str, group: str, topic: str) -> int | None:
    """Return what the group has committed in the first partition, without joining it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        found = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    return next((each.offset for place, each in found.items() if place.topic == topic), None)


async def test_aborted_transactions_and_deleted_records_leave_no_lag(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    group = f"group-{topic}"
    config = {
        "brokers": [broker],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook"}],
        "consumer": {"groupId": group},
    }
    await ensure_topics(broker, [topic], partitions=1)
    async with run_hooks(config):
        await transaction(broker, topic, 3, commit=True)
        await transaction(broker, topic, 1500, commit=False)
        await target.wait_for(lambda requests: len(requests) == 3)
        with anyio.fail_after(LONG):
            while await committed(broker, group, topic) != END:
                pass
    assert await consumer_lag(broker, group, [topic]) == {topic: {0: 0}}
    for _ in range(20):
        await producer.send(topic, b"deleted before it is read")
    await delete_records(broker, topic, END + 20)
    assert await consumer_lag(broker, group, [topic]) == {topic: {0: 0}}
    async with run_hooks(config):
        with anyio.fail_after(LONG):
            while await committed(broker, group, topic) != END + 20:
                pass
        await producer.send(topic, b"last")
        await target.wait_for(lambda requests: [request.body for request in requests][3:] == [b"last"])
