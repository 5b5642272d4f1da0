"""Records that are gathered and written together: their order, and those that the engine does not take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import pytest

from pywatt_kafka.engine.settings import ProducerSettings
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.producing.engine_writer import EngineWriter
from pywatt_kafka.producing.ordered_sender import OrderedSender
from pywatt_kafka.producing.outcomes import Outcomes, awaited_outcome
from pywatt_kafka.producing.record_maker import RecordMaker
from pywatt_kafka.producing.turn_buffer import LIMIT, TurnBuffer
from pywatt_kafka.producing.waiting_records import WaitingRecords
from pywatt_kafka.records import OutgoingRecord, RecordPosition
from pywatt_kafka.security.options import Security
from pywatt_kafka.serde.serializers import bytes_serializers

pytestmark = pytest.mark.anyio

LONG = 10.0
SETTINGS = ProducerSettings(
    client_id="test", acks="all", idempotent=True, linger_ms=0, compression=None, batch_bytes=1, buffer_bytes=1,
    max_request_bytes=1, request_timeout=LONG,
)  # fmt: skip


def record(value: bytes, topic: str = "orders") -> OutgoingRecord:
    return OutgoingRecord(topic, value, None, [], None, None)


class Engine:
    """An engine with room for so many records, for which `bad` is a wrong value."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.direct = 0
        """Records that were written at once."""
        self.taken: list[bytes | None] = []
        self.has_room = asyncio.Event()

    def append(self, record: OutgoingRecord, done: Callable[[Any], None]) -> bool:
        if record.value == b"bad":
            raise ValueError("a bad one")
        if len(self.taken) >= self.room:
            return False
        self.taken.append(record.value)
        done(RecordPosition(record.topic, 0, len(self.taken)))
        return True

    def append_all(self, appends: Sequence[tuple[OutgoingRecord, Callable[[Any], None]]]) -> int:
        for count, (record, done) in enumerate(appends):
            if record.value == b"bad" or not self.append(record, done):
                return count
        return len(appends)

    def append_bytes(self, topic: str, value: bytes, key: bytes | None, done: Callable[[Any], None] | None) -> bool:
        if not self.append(OutgoingRecord(topic, value, key, [], None, None), done or (lambda _: None)):
            return False
        self.direct += 1
        return True

    async def ready(self, record: OutgoingRecord) -> None:
        while len(self.taken) >= self.room:
            self.has_room.clear()
            await self.has_room.wait()


class Connection:
    """A connection to one engine."""

    def __init__(self, tasks: anyio.abc.TaskGroup, engine: Engine) -> None:
        self.engine = self.connected_engine = engine
        self.is_connected = True
        self.start_soon = tasks.start_soon

    async def accepted(self) -> Engine:
        return self.engine


@asynccontextmanager
async def writer(room: int) -> AsyncIterator[tuple[EngineWriter, Engine]]:
    made: Any = EngineWriter("aiokafka", ("localhost:1",), SETTINGS, Security(), None)
    async with anyio.create_task_group() as tasks:
        engine = Engine(room)
        connection: Any = Connection(tasks, engine)
        made.connection = connection
        made.waiting = WaitingRecords(
            connection, LONG, failure=lambda topic, error, *, sent: KafkaError(f"{topic}: {error}")
        )
        made.failure = lambda topic, error, *, sent: KafkaError(f"{topic}: {error}")
        made._topics = made.waiting.topics
        try:
            yield made, engine
        finally:
            tasks.cancel_scope.cancel()
            made.waiting.close()


async def test_records_of_a_turn_are_written_together() -> None:
    written: list[list[bytes | None]] = []
    buffer = TurnBuffer(lambda appends: written.append([record.value for record, _ in appends]))
    for number in range(LIMIT + 2):
        buffer.add(record(b"%d" % number), print)
    assert written == [[b"%d" % number for number in range(LIMIT)]]
    await asyncio.sleep(0)
    assert written[1:] == [[b"%d" % LIMIT, b"%d" % (LIMIT + 1)]]
    buffer.add(record(b"last"), print)
    assert [made.value for made, _ in buffer.take()] == [b"last"]
    await asyncio.sleep(0)
    assert len(written) == 2


async def test_a_full_turn_gathers_no_more() -> None:
    buffer = TurnBuffer(lambda _: None)
    for _ in range(LIMIT - 1):
        buffer.add(record(b"x"), print)
    assert not buffer.is_full
    buffer.add(record(b"x"), print)
    assert buffer.is_full
    await asyncio.sleep(0)
    assert not buffer.is_full
    buffer.begin_full_turn()
    assert buffer.is_full
    await asyncio.sleep(0)
    assert not buffer.is_full


async def test_records_written_at_once_never_overtake_those_that_wait() -> None:
    def write(number: int) -> None:
        if not sender.write_bytes("orders", b"%d" % number, None, None):
            sender.buffer.add(record(b"%d" % number), lambda _: None)

    async with writer(room=LIMIT + 20) as (made, engine):
        sender = OrderedSender(RecordMaker(bytes_serializers), made)
        for number in range(LIMIT + 10):
            write(number)
        assert engine.direct == 10
        sender.buffer.add(record(b"%d" % (LIMIT + 10)), lambda _: None)
        for number in range(LIMIT + 11, LIMIT + 40):
            write(number)
        assert engine.direct == 19
        engine.room = LIMIT + 40
        engine.has_room.set()
        async with asyncio.timeout(LONG):
            await made.waiting.drained()
        assert engine.taken == [b"%d" % number for number in range(LIMIT + 40)]


async def test_a_record_that_cannot_be_written_fails_alone() -> None:
    outcomes = Outcomes()
    async with writer(room=10) as (made, engine):
        values = [b"0", b"bad", b"2", b"bad", b"4"]
        places = made.write_all(
            [(record(value), partial(outcomes.settle, number)) for number, value in enumerate(values)]
        )
        assert places == []
        told = await outcomes.all(len(values))
        assert engine.taken == [b"0", b"2", b"4"]
        assert [str(outcome) for outcome in told if isinstance(outcome, KafkaError)] == ["orders: a bad one"] * 2


async def test_records_beyond_the_room_wait_in_their_order_and_can_be_taken_back() -> None:
    futures: list[asyncio.Future[Any]] = [asyncio.get_running_loop().create_future() for _ in range(6)]
    callbacks = [awaited_outcome(future) for future in futures]
    async with writer(room=2) as (made, engine):
        first = [(record(b"%d" % number), callbacks[number]) for number in range(4)]
        assert len(made.write_all(first)) == 2
        assert [callback.place is not None for callback in callbacks[:4]] == [False, False, True, True]
        made.write_all([(record(b"%d" % number), callbacks[number]) for number in (4, 5)])
        taken_back = callbacks[3].place
        assert taken_back is not None
        futures[3].cancel()
        assert callbacks[3].is_cancelled
        made.waiting.discard(taken_back)
        engine.room = 10
        engine.has_room.set()
        async with asyncio.timeout(LONG):
            await asyncio.gather(*futures[:3], *futures[4:])
        assert engine.taken == [b"0", b"1", b"2", b"4", b"5"]


async def test_an_outcome_for_a_cancelled_caller_is_dropped() -> None:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done = awaited_outcome(future)
    future.cancel()
    done(KafkaUnavailable("too late"))


async def test_the_first_outcome_of_a_record_counts() -> None:
    outcomes = Outcomes()
    outcomes.settle(1, written := RecordPosition("orders", 0, 1))
    outcomes.settle(1, KafkaUnavailable("too late"))
    waits = asyncio.ensure_future(outcomes.all(2))
    await asyncio.sleep(0)
    assert not waits.done()
    outcomes.settle(0, written)
    assert await waits == [written, written]
