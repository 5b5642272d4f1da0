"""Records that are held for long: membership, rebalances and commits go on meanwhile, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import Any

import anyio
import pytest

from pywatt_kafka import CommitFailed, Consumer, GroupReader, Producer, ensure_topics
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds
RECORDS = 2000
SESSION = 2.0  # seconds


class HangingMember:
    """A member whose handler blocks the event loop, in a thread with a loop of its own."""

    def __init__(self, broker: str, topic: str, engine: EngineName, instance_id: str | None) -> None:
        self.consumer: Consumer[Any, Any] = Consumer(
            topic,
            broker,
            topics=[topic],
            instance_id=instance_id,
            session_timeout=SESSION,
            rebalance_timeout=SESSION,
            engine=engine,
        )
        self.hangs = threading.Event()
        self.goes_on = threading.Event()
        self.was_told = False

    def run(self) -> None:
        async def main() -> None:
            revoked = asyncio.Event()
            async with self.consumer:
                stream = await self.consumer.consume()
                stream.on("revoked", lambda _: revoked.set())
                message = await anext(aiter(stream))
                self.hangs.set()
                self.goes_on.wait()
                with anyio.fail_after(LONG):
                    while not revoked.is_set():
                        await stream._reader.fetch(timeout=0.1)
                self.was_told = True
                with pytest.raises(CommitFailed):
                    await message.commit()

        asyncio.run(main())


@pytest.mark.parametrize("instance_id", [None, "hanging"])
async def test_others_take_over_from_a_member_whose_event_loop_hangs(
    broker: str, topic: str, engine: EngineName, instance_id: str | None
) -> None:
    """Static or not; when it comes back, it is told."""
    await fill(broker, topic, 4, count=40)
    hanging = HangingMember(broker, topic, engine, instance_id)
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, hanging.run)
            try:
                await anyio.to_thread.run_sync(hanging.hangs.wait)
                async with Consumer(topic, broker, topics=[topic], session_timeout=SESSION, engine=engine) as other:
                    found: set[Any] = set()
                    async for message in other:
                        found.add(message.value)
                        await message.commit()
                        if len(found) == 40:
                            break
            finally:
                hanging.goes_on.set()
    assert hanging.was_told


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
    member: Any = {"group": topic, "topics": [topic], "engine": engine, "session_timeout": SESSION}
    with anyio.fail_after(LONG):
        async with GroupReader(broker, rebalance_timeout=SESSION, **member) as reader:
            read: list[int] = []
            async for message in reader:
                read.append(message.offset)
                if len(read) == 1:
                    with anyio.move_on_after(1.5 * SESSION):
                        await asyncio.Event().wait()
                    await reader.commit_through(message)
                if len(read) == 600:
                    break
    assert read == list(range(600))
