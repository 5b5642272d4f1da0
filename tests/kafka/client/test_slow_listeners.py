"""A listener that takes longer than the group waits for it: librdkafka goes on, and nothing is read too early."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from pywatt_kafka import GroupReader, Producer, TopicPartition, ensure_topics

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
GIVEN = 0.5  # seconds that the group waits


class Slow:
    """A listener that chooses where to begin, and never ends."""

    reader: GroupReader

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        for place in partitions:
            self.reader.seek(place, 2)
        await asyncio.Event().wait()

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None: ...


@pytest.mark.parametrize("options", [{}, {"partition.assignment.strategy": "cooperative-sticky"}])
async def test_partitions_begin_where_a_slow_listener_has_sought(
    broker: str, topic: str, options: Mapping[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    async with Producer(broker) as producer:
        await producer.send(messages=[{"topic": topic, "value": b"%d" % n, "partition": n % 2} for n in range(10)])
    listener = Slow()
    listener.reader = GroupReader(
        broker,
        group=topic,
        topics=[topic],
        listener=listener,
        rebalance_timeout=GIVEN,
        session_timeout=6.0,
        engine="rdkafka",
        options=options,
    )
    found: list[Any] = []
    with anyio.fail_after(LONG):
        async with listener.reader as reader:
            async for message in reader:
                found.append(message.value)
                if len(found) == 6:
                    break
    assert sorted(found) == [b"4", b"5", b"6", b"7", b"8", b"9"]
    assert "goes on without this member" in caplog.text
