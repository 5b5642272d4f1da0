"""The client alone: nothing is lost or out of order while members come and go and the broker is killed and restarted.

Producers of both engines write what a group of one engine reads. Its members iterate, take batches or use `process`,
and commit each record. PYWATT_SOAK_SECONDS=3600 lets them do so for an hour; PYWATT_SOAK_SEED repeats a run; -s shows
the counts.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from pywatt_kafka import (
    CommitFailed,
    Consumer,
    ConsumerStream,
    KafkaUnavailable,
    Producer,
    StreamMessage,
    ensure_topics,
)
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.engine.settings import EngineName

SOAK = float(os.environ.get("PYWATT_SOAK_SECONDS", "0"))
SECONDS = SOAK or 8.0
SEED = int(os.environ.get("PYWATT_SOAK_SEED", str(random.randrange(1_000_000))))
SETTLE = 120.0  # seconds for what is left when nothing is disturbed any more
PARTITIONS, KEYS = 4, 12
MEMBERS = 3
STAY = (1.0, 3.0) if SOAK else (0.2, 0.9)  # seconds between two changes of the group ...
UP = (10.0, 40.0) if SOAK else (3.0, 4.0)  # ... and between two outages
PACE = 0.05 if SOAK else 0.0  # seconds between two bursts of a producer
SESSION = 6.0  # seconds
BURST = 20  # records that are sent at once
BACKLOG = 2000  # unread records at which the producers wait
FAILING = 0.01  # part of the calls of a handler that fail
CONCURRENCY = 8
COMMIT_RETRY = 0.1  # seconds

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.timeout(int(SECONDS + SETTLE + 120)),
    pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"]),
]


@dataclass
class Log:
    """Records that were written, and records that the members have read, in the order of reading."""

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
    outages: int = 0
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


class Soak:
    """A group whose members come and go, and the producers that write for it."""

    def __init__(self, broker: RealBroker, topic: str, engine: EngineName) -> None:
        self.broker, self.topic, self.log = broker, topic, Log()
        self.engine: EngineName = engine
        self.rng = random.Random(SEED)
        self.consumers: list[Consumer[Any, Any]] = []
        self.kinds = itertools.cycle([self.iterate, self.process, self.take_batches])
        self.is_over = False

    # The members.

    async def iterate(self, stream: ConsumerStream[Any, Any]) -> None:
        async for message in stream:
            self.log.note(message)
            await self.commit(stream, message.commit, [message])

    async def take_batches(self, stream: ConsumerStream[Any, Any]) -> None:
        async for batch in stream.batches(BURST, timeout=0.1):
            for message in batch:
                self.log.note(message)
            await self.commit(stream, batch.commit, batch)

    async def process(self, stream: ConsumerStream[Any, Any]) -> None:
        async def handle(message: StreamMessage[Any, Any]) -> None:
            if self.rng.random() < FAILING:
                raise LookupError("now and then")
            self.log.note(message)

        await stream.process(handle, concurrency=CONCURRENCY, retries=9, retry_delay=0.05)

    async def commit(
        self,
        stream: ConsumerStream[Any, Any],
        commit: Callable[[], Awaitable[None]],
        messages: Sequence[StreamMessage[Any, Any]],
    ) -> None:
        """Commit, again while the broker is away or the group busy."""
        while stream.is_open:
            try:
                await commit()
            except (CommitFailed, KafkaUnavailable):
                if any(message.lost for message in messages):
                    return
                await anyio.sleep(COMMIT_RETRY)
            else:
                return

    async def work(
        self, consumer: Consumer[Any, Any], read: Callable[[ConsumerStream[Any, Any]], Awaitable[None]]
    ) -> None:
        async with consumer:
            stream = await consumer.consume(topics=[self.topic])
            stream.on("assigned", lambda _: setattr(self.log, "rebalances", self.log.rebalances + 1))
            await read(stream)

    async def change(self, tasks: anyio.abc.TaskGroup) -> None:
        """Let a member join or leave; one at least stays."""
        if len(self.consumers) > 1 and (len(self.consumers) == MEMBERS or self.rng.random() < 0.5):
            await self.consumers.pop(self.rng.randrange(len(self.consumers))).close()
            return
        consumer: Consumer[Any, Any] = Consumer(
            self.topic, self.broker.address, session_timeout=SESSION, rebalance_timeout=SESSION, engine=self.engine
        )
        self.consumers.append(consumer)
        self.log.members += 1
        tasks.start_soon(self.work, consumer, next(self.kinds))

    # The producers, and the broker.

    async def produce(self, engine: EngineName) -> None:
        """Write keys of its own; every record is acknowledged in the end."""
        keys = [f"{engine}-{number}".encode() for number in range(KEYS)]
        limit = SECONDS + SETTLE
        async with Producer(self.broker.address, engine=engine, request_timeout=limit) as producer:
            while not self.is_over:
                burst = [self.rng.choice(keys) for _ in range(BURST)]
                await asyncio.gather(*(producer.send(self.topic, self.log.write(key), key=key) for key in burst))
                await self.log.until_missing(BACKLOG)
                await anyio.sleep(PACE)

    async def disturb_the_broker(self) -> None:
        while True:
            await anyio.sleep(self.rng.uniform(*UP))
            self.log.outages += 1
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self.rng.choice((self.broker.kill, self.broker.stop)))
                await anyio.to_thread.run_sync(self.broker.start)

    async def run(self) -> None:
        async with anyio.create_task_group() as tasks:
            for engine in ("aiokafka", "rdkafka"):
                tasks.start_soon(self.produce, engine)
            with anyio.move_on_after(SECONDS):
                async with anyio.create_task_group() as disturbing:
                    disturbing.start_soon(self.disturb_the_broker)
                    while True:
                        await self.change(tasks)
                        await anyio.sleep(self.rng.uniform(*STAY))
            self.is_over = True
            with anyio.move_on_after(SETTLE):
                await self.log.until_missing(0)
            for consumer in self.consumers:
                await consumer.close()
            tasks.cancel_scope.cancel()


async def test_nothing_is_lost_while_members_and_the_broker_come_and_go(
    own_broker: RealBroker, topic: str, engine: EngineName
) -> None:
    begun = time.monotonic()
    await ensure_topics(own_broker.address, [topic], partitions=PARTITIONS)
    soak = Soak(own_broker, topic, engine)
    await soak.run()
    log = soak.log
    print(
        f"{engine}, seed {SEED}, {time.monotonic() - begun:.0f} s: {log.written.total()} records, {log.members} members"
        f", {log.rebalances} assignments, {log.outages} outages, {log.missing} lost, {log.duplicates} duplicates, "
        f"{log.inversions} inversions"
    )
    assert (log.missing, log.inversions) == (0, 0)
    assert log.outages
    # `process` goes on with what was read ahead while it cannot commit.
    assert log.duplicates <= log.rebalances * BURST + log.outages * BACKLOG
