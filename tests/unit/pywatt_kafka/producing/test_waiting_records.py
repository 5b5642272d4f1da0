"""Tests of the queues of records that the engine cannot take yet: order, time limits, engines that are replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from pywatt_kafka.errors import KafkaError, KafkaUnavailable, UnknownTopic
from pywatt_kafka.producing.waiting_records import WaitingRecord, WaitingRecords
from pywatt_kafka.records import OutgoingRecord, RecordPosition

pytestmark = pytest.mark.anyio

LIMIT = 20.0  # seconds


class Engine:
    """An engine that takes as many records as it has room for."""

    def __init__(self, room: int = 1_000_000, *, hangs: bool = False, known: bool = True) -> None:
        self.room = room
        self.hangs = hangs
        self.known = known
        self.missed = 0.0
        """Time of the last answer that did not know the topic."""
        self.taken: list[bytes | None] = []
        self.has_room = asyncio.Event()

    def knows(self, topic: str) -> bool:
        return self.known

    def missed_at(self, topic: str) -> float | None:
        return None if self.known else self.missed

    def append(self, record: OutgoingRecord, done: Callable[[Any], None]) -> bool:
        if record.value == b"bad":
            raise ValueError("a bad one")
        if len(self.taken) >= self.room:
            return False
        self.taken.append(record.value)
        done(RecordPosition(record.topic, 0, len(self.taken)))
        return True

    async def ready(self, record: OutgoingRecord) -> None:
        if self.hangs or not self.known:
            await anyio.sleep_forever()
        if len(self.taken) >= self.room:
            self.has_room.clear()
            await self.has_room.wait()

    def more(self, room: int) -> None:
        self.room += room
        self.has_room.set()


class Connection:
    """A connection to one engine after the other."""

    def __init__(self, tasks: anyio.abc.TaskGroup, *engines: Engine) -> None:
        self._tasks = tasks
        self._engines = list(engines)
        self.is_connected = True
        self.refusal: KafkaError | None = None

    @property
    def engine(self) -> Engine:
        return self._engines[0]

    async def accepted(self) -> Engine:
        await anyio.lowlevel.checkpoint()
        if self.refusal is not None:
            raise self.refusal
        return self._engines.pop(0) if len(self._engines) > 1 else self._engines[0]

    def start_soon(self, job: Callable[..., Any], *args: object) -> None:
        self._tasks.start_soon(job, *args)


class Queue:
    """The waiting records of one topic, and their outcomes."""

    def __init__(self, connection: Connection, request_timeout: float) -> None:
        self.connection = connection
        self.told: dict[bytes, RecordPosition | KafkaError] = {}
        self._changed = asyncio.Event()
        failing: Any = lambda topic, error, sent: KafkaUnavailable(f"{type(error).__name__}: {error}")  # noqa: E731
        self.waiting = WaitingRecords(connection, request_timeout, failure=failing)  # type: ignore[arg-type]

    def add(self, value: bytes, *, ready: bool = True) -> WaitingRecord:
        def done(outcome: RecordPosition | KafkaError) -> None:
            self.told[value] = outcome
            self._changed.set()

        return self.waiting.add("t", self.record(value) if ready else None, done)

    def record(self, value: bytes) -> OutgoingRecord:
        return OutgoingRecord("t", value, None, [], None, None)

    async def until_told(self, count: int) -> None:
        with anyio.fail_after(LIMIT):
            while len(self.told) < count:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def queue(*engines: Engine, request_timeout: float = LIMIT) -> AsyncIterator[Queue]:
    async with anyio.create_task_group() as tasks:
        made = Queue(Connection(tasks, *engines), request_timeout)
        yield made
        tasks.cancel_scope.cancel()
        made.waiting.close()


async def test_records_keep_their_order_whoever_is_ready_first() -> None:
    engine = Engine()
    async with queue(engine) as q:
        slow = q.add(b"0", ready=False)
        q.add(b"1")
        gone = q.add(b"gone")
        q.add(b"bad")
        last = q.add(b"2")
        q.waiting.discard(gone)
        await anyio.lowlevel.checkpoint()
        assert engine.taken == []
        q.waiting.fill(slow, q.record(b"0"))
        await last.left()
        await q.waiting.drained()
        assert engine.taken == [b"0", b"1", b"2"]
        assert str(q.told[b"bad"]) == "ValueError: a bad one"
        assert b"gone" not in q.told
        with anyio.fail_after(LIMIT):
            while "t" in q.waiting.topics:
                await anyio.lowlevel.checkpoint()


async def test_records_wait_for_room_as_long_as_others_get_some() -> None:
    engine = Engine(room=1)
    async with queue(engine, request_timeout=0.3) as q:
        for number in range(4):
            q.add(b"%d" % number)
        begun = anyio.current_time()
        for number in range(1, 4):  # longer than the time limit of one record
            await q.until_told(number)
            with anyio.move_on_after(0.2):
                await q.until_told(number + 1)
            engine.more(1)
        await q.until_told(4)
        assert anyio.current_time() - begun > 0.3
    assert engine.taken == [b"0", b"1", b"2", b"3"]


async def test_records_without_room_fail_in_time() -> None:
    engine = Engine(room=0)
    async with queue(engine, request_timeout=0.1) as q:
        q.add(b"0")
        await q.until_told(1)
        assert str(q.told[b"0"]) == "TimeoutError: "
        engine.more(1)
        q.add(b"1")
        await q.until_told(2)
    assert engine.taken == [b"1"]


@pytest.mark.parametrize("answered", [True, False])
async def test_topic_that_stays_unknown_is_told_if_a_broker_has_said_so(answered: bool) -> None:
    engine = Engine(known=False)
    async with queue(engine, request_timeout=0.1) as q:
        q.add(b"0")
        if answered:
            engine.missed = anyio.current_time() + LIMIT
        await q.until_told(1)
        if answered:
            assert isinstance(q.told[b"0"], UnknownTopic)
        else:  # it may exist, for all that is known
            assert str(q.told[b"0"]) == "TimeoutError: "


async def test_engine_that_was_replaced_while_it_was_waited_for() -> None:
    first, second = Engine(hangs=True), Engine()
    async with queue(first, second) as q:
        q.add(b"0")
        await q.until_told(1)
    assert second.taken == [b"0"]


async def test_permanent_error_fails_all_that_wait() -> None:
    async with queue(Engine()) as q:
        q.connection.refusal = KafkaError("never")
        for number in range(3):
            q.add(b"%d" % number)
        await q.until_told(3)


async def test_records_fail_when_the_producer_is_closed() -> None:
    async with queue(Engine(room=0)) as q:
        q.add(b"0")
        await anyio.lowlevel.checkpoint()
    assert "the producer was closed" in str(q.told[b"0"])
