"""Members join and leave every few hundred milliseconds while a producer works: nothing is lost, order is kept.

PYWATT_SOAK_SECONDS=3600 lets them do so for an hour; PYWATT_SOAK_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from pywatt_kafka import CommitFailed, Consumer, Producer, StreamMessage, ensure_topics
from pywatt_kafka.engine.settings import EngineName

SECONDS = float(os.environ.get("PYWATT_SOAK_SECONDS", "8"))
SEED = int(os.environ.get("PYWATT_SOAK_SEED", str(random.randrange(1_000_000))))
LIMIT = SECONDS + 90.0  # seconds
PARTITIONS, KEYS = 4, 12
MEMBERS = 3
STAY = 0.2, 0.9  # seconds between two changes of the group
SESSION = 6.0  # seconds
BURST = 20  # records that are sent at once
BACKLOG = 2000  # unread records at which the producer waits

pytestmark = [pytest.mark.timeout(int(LIMIT + 60)), pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]


@dataclass
class Log:
    """Records that were written, and records that each member has read, in the order of reading."""

    written: Counter[bytes] = field(default_factory=Counter)
    """The number of records of each key; their values count from 0."""
    next: dict[bytes, int] = field(default_factory=dict)
    """Of each key, the number after the highest that was read."""
    missing: int = 0
    duplicates: int = 0
    inversions: int = 0
    """How often a record was read for the first time after a later one of its key."""
    unread: dict[bytes, set[int]] = field(default_factory=dict)
    members: int = 0
    rebalances: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, key: bytes) -> bytes:
        """Return the value of the next record of a key."""
        number = self.written[key]
        self.written[key] += 1
        self.unread.setdefault(key, set()).add(number)
        self.missing += 1
        return b"%d" % number

    def note(self, message: StreamMessage[Any, Any]) -> None:
        key, number = message.key, int(message.value)
        if number in self.unread[key]:
            self.unread[key].remove(number)
            self.missing -= 1
            self.inversions += number < self.next.get(key, 0)
            self.next[key] = max(self.next.get(key, 0), number + 1)
            self.changed.set()
        else:
            self.duplicates += 1

    async def until_missing(self, limit: int) -> None:
        """Wait until no more than `limit` records are unread."""
        while self.missing > limit:
            self.changed.clear()
            await self.changed.wait()


class Group:
    """A group whose members come and go."""

    def __init__(self, broker: str, topic: str, engine: EngineName, log: Log) -> None:
        self.broker, self.topic, self.log = broker, topic, log
        self.engine: EngineName = engine
        self.rng = random.Random(SEED)
        self.consumers: list[Consumer[Any, Any]] = []

    async def work(self, consumer: Consumer[Any, Any], *, process: bool) -> None:
        async with consumer:
            stream = await consumer.consume(topics=[self.topic])
            stream.on("assigned", lambda _: setattr(self.log, "rebalances", self.log.rebalances + 1))
            if process:
                await stream.process(self.log.note, concurrency=8)
                return
            async for message in stream:
                self.log.note(message)
                try:
                    await message.commit()
                except CommitFailed:
                    assert message.lost or not stream.is_open

    async def change(self, tasks: anyio.abc.TaskGroup) -> None:
        """Let a member join or leave; one at least stays."""
        if len(self.consumers) > 1 and (len(self.consumers) == MEMBERS or self.rng.random() < 0.5):
            await self.consumers.pop(self.rng.randrange(len(self.consumers))).close()
            return
        consumer: Consumer[Any, Any] = Consumer(
            self.topic, self.broker, session_timeout=SESSION, rebalance_timeout=SESSION, engine=self.engine
        )
        self.consumers.append(consumer)
        self.log.members += 1
        tasks.start_soon(lambda: self.work(consumer, process=self.log.members % 2 == 0))


async def test_nothing_is_lost_while_members_come_and_go(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=PARTITIONS)
    log = Log()
    group = Group(broker, topic, engine, log)

    producing = True

    async def produce(producer: Producer[Any, Any]) -> None:
        while producing:
            keys = [b"key-%d" % group.rng.randrange(KEYS) for _ in range(BURST)]
            await asyncio.gather(*(producer.send(topic, log.write(key), key=key) for key in keys))
            await log.until_missing(BACKLOG)

    with anyio.fail_after(LIMIT):
        async with Producer(broker) as producer, anyio.create_task_group() as tasks:
            tasks.start_soon(produce, producer)
            with anyio.move_on_after(SECONDS):
                while True:
                    await group.change(tasks)
                    await anyio.sleep(group.rng.uniform(*STAY))
            producing = False
            await log.until_missing(0)
            for consumer in group.consumers:
                await consumer.close()
    print(
        f"{engine}, seed {SEED}: {log.written.total()} records, {log.members} members, {log.rebalances} assignments, "
        f"{log.duplicates} duplicates, {log.inversions} inversions"
    )
    assert log.inversions == 0
    assert log.duplicates <= log.rebalances * BURST
