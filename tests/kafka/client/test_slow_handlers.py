"""Records that are held for long: membership, rebalances and commits go on meanwhile, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import anyio
import pytest

from pywatt_kafka import Consumer, GroupReader, Producer, ensure_topics
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds
RECORDS = 2000


async def fill(broker: str, topic: str, partitions: int, count: int = RECORDS) -> None:
    await ensure_topics(broker, [topic], partitions=partitions)
    async with Producer(broker) as producer:
        await producer.send(
            messages=[{"topic": topic, "value": b"%d" % n, "partition": n % partitions} for n in range(count)]
        )


async def test_member_that_holds_a_record_gives_up_partitions(broker: str, topic: str, engine: EngineName) -> None:
    """The group does not wait for the record, and the member that joins gets its share of the partitions."""
    await fill(broker, topic, 4)
    member: Any = {"group": topic, "topics": [topic], "engine": engine, "rebalance_timeout": 30.0}
    with anyio.fail_after(LONG):
        async with GroupReader(broker, **member) as holding:
            async for _ in holding:
                break
            assert len(holding.assignment) == 4
            begun = time.monotonic()
            async with GroupReader(broker, **member) as joining:
                while not joining.assignment or len(holding.assignment) != 2:  # nobody fetches from `holding`
                    await joining.fetch(timeout=0.1)
                assert time.monotonic() - begun < 15.0
                assert len(joining.assignment) == 2


async def test_all_records_are_read_while_members_join(broker: str, topic: str, engine: EngineName) -> None:
    await fill(broker, topic, 4)
    found: Counter[bytes | None] = Counter()
    progress = asyncio.Event()

    async def read(scope: anyio.CancelScope) -> None:
        async with Consumer(topic, broker, topics=[topic], engine=engine) as consumer:
            async for message in consumer:
                found[message.value] += 1
                progress.set()
                if message.offset % 50 == 49:
                    await message.commit()
                if len(found) == RECORDS:
                    scope.cancel()

    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(read, group.cancel_scope)
                before = len(found)
                while len(found) < min(before + 200, RECORDS):
                    progress.clear()
                    await progress.wait()
    assert len(found) == RECORDS


async def test_slow_handler_keeps_its_membership(broker: str, topic: str, engine: EngineName) -> None:
    """The handler takes longer than the session; a commit afterwards works."""
    await fill(broker, topic, 1, count=600)
    member: Any = {"group": topic, "topics": [topic], "engine": engine, "session_timeout": 6.0}
    with anyio.fail_after(LONG):
        async with GroupReader(broker, rebalance_timeout=6.0, **member) as reader:
            read: list[int] = []
            async for message in reader:
                read.append(message.offset)
                if len(read) == 1:
                    with anyio.move_on_after(8.0):
                        await asyncio.Event().wait()
                    await reader.commit_through(message)
                if len(read) == 600:
                    break
    assert read == list(range(600))
