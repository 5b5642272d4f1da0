"""Assignment of topics to members that join, leave, and return with other topics, without a session timeout."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from harness.hooks import LONG, RunHooks, Target

from pywatt_kafka import GroupReader, Producer, TopicPartition, ensure_topics, leave_group

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]

SESSION = 600_000  # milliseconds: longer than any test


def document(broker: str, group: str, *topics: str) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook"} for topic in topics],
        "consumer": {"groupId": group, "sessionTimeout": SESSION},
    }


async def delivered(producer: Producer, target: Target, topic: str, *, partitions: int = 1) -> None:
    """Deliver one record of each partition."""
    bodies = {b"%b %d %d" % (topic.encode(), number, len(target.requests)) for number in range(partitions)}
    for number, body in enumerate(sorted(bodies)):
        await producer.send(topic, body, partition=number)
    await target.wait_for(lambda requests: bodies <= {request.body for request in requests})


async def test_topic_that_is_added_is_read_and_the_others_still_are(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    more = f"{topic}-more"
    await ensure_topics(broker, [topic, more])
    async with run_hooks(document(broker, topic, topic)) as first:
        await delivered(producer, target, topic)
        async with run_hooks(document(broker, topic, topic, more)):  # as a reload does: the old worker ends later
            first.stop()
            await delivered(producer, target, more)
            await delivered(producer, target, topic)


async def test_topic_that_is_added_while_nothing_runs_is_read(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    more = f"{topic}-more"
    await ensure_topics(broker, [topic, more])
    async with run_hooks(document(broker, topic, topic)):
        await delivered(producer, target, topic)
    async with run_hooks(document(broker, topic, topic, more)):
        await delivered(producer, target, more)


async def test_topic_that_is_replaced_by_another(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    other = f"{topic}-other"
    await ensure_topics(broker, [topic, other])
    async with run_hooks(document(broker, topic, topic)) as first:
        await delivered(producer, target, topic)
        async with run_hooks(document(broker, topic, other)) as second:
            first.stop()
            await delivered(producer, target, other)
            assert not any(second.reasons)


async def test_partitions_of_a_member_that_ends_go_to_the_others_at_once(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    await ensure_topics(broker, [topic], partitions=4)
    config = document(broker, topic, topic)
    async with run_hooks(config):
        async with run_hooks(config, slot=1):
            await delivered(producer, target, topic, partitions=4)
        await delivered(producer, target, topic, partitions=4)


async def test_successor_is_ready_before_its_predecessor_ends_and_takes_over(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    config = document(broker, topic, topic)
    async with run_hooks(config) as first:
        await delivered(producer, target, topic)
        async with run_hooks(config):
            first.stop()
            await delivered(producer, target, topic)


async def test_member_is_taken_out_of_its_group(broker: str, topic: str, engine: str) -> None:
    await ensure_topics(broker, [topic])
    for instance in ("one", "two"):
        with anyio.fail_after(LONG):
            async with GroupReader(
                broker,
                group=topic,
                topics=[topic],
                instance_id=instance,
                session_timeout=SESSION / 1000,
                engine="rdkafka" if engine == "rdkafka" else "aiokafka",
            ) as consumer:
                while consumer.assignment != {TopicPartition(topic, 0)}:
                    await consumer.fetch(timeout=0.1)
            await leave_group(broker, topic, instance)
    await leave_group(broker, topic, "two")  # it is not there any more
