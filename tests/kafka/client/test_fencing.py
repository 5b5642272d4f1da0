"""Two members with one static id: the first is fenced, says so, stops reading, and does not come back."""

from __future__ import annotations

import asyncio
import logging

import anyio
import pytest

from pywatt_kafka import (
    ConnectionState,
    ConnectionStatus,
    Consumer,
    Fenced,
    GroupReader,
    Membership,
    Offset,
    Producer,
    TopicPartition,
)
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds
SESSION = 6.0  # seconds, the broker's minimum
HEARTBEAT = 0.3  # seconds


class Member:
    """A static member, with the states that it reports and the values that it reads."""

    def __init__(self, broker: str, topic: str, engine: EngineName, *, heartbeat: float = HEARTBEAT) -> None:
        self.states: list[ConnectionState] = []
        self.values: list[bytes | None] = []
        self.changed = asyncio.Event()
        self.revoked_partitions = 0
        self.error: Fenced | None = None
        self.reader = GroupReader(
            broker,
            membership=Membership(
                group=f"group-{topic}", instance_id="one", session_timeout=SESSION, heartbeat_interval=heartbeat
            ),
            topics=[topic],
            listener=self,
            on_status=self.note,
            engine=engine,
        )

    def note(self, status: ConnectionStatus) -> None:
        self.states.append(status.state)
        self.changed.set()

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None: ...

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self.revoked_partitions += len(partitions)
        self.changed.set()

    async def read(self) -> None:
        """Read until the consumer is fenced."""
        try:
            async for message in self.reader:
                self.values.append(message.value)
                self.changed.set()
        except Fenced as error:
            self.error = error

    async def until_read(self, value: bytes) -> None:
        with anyio.fail_after(LONG):
            while value not in self.values:
                self.changed.clear()
                await self.changed.wait()

    async def until_fenced(self) -> None:
        with anyio.fail_after(LONG):
            while self.states[-1:] != [ConnectionState.FENCED]:
                self.changed.clear()
                await self.changed.wait()


async def test_the_first_of_two_members_with_one_id_stops(
    broker: str, topic: str, engine: EngineName, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Member(broker, topic, engine), Member(broker, topic, engine)
    with caplog.at_level(logging.ERROR, "pywatt_kafka"):
        async with Producer(broker) as producer, anyio.create_task_group() as tasks:
            await producer.send(topic, b"to the first")
            async with first.reader:
                tasks.start_soon(first.read)
                await first.until_read(b"to the first")
                async with second.reader:
                    tasks.start_soon(second.read)
                    await first.until_fenced()
                    for number in range(20):
                        await producer.send(topic, b"%d" % number)
                    await second.until_read(b"19")
                    # Several heartbeats: a member that came back would have fenced the second one by now.
                    with pytest.raises(TimeoutError), anyio.fail_after(10 * HEARTBEAT):
                        await second.until_fenced()
                    await producer.send(topic, b"last")
                    await second.until_read(b"last")
                    tasks.cancel_scope.cancel()
    assert first.values == [b"to the first"]
    assert first.states == [ConnectionState.CONNECTED, ConnectionState.FENCED]
    assert first.revoked_partitions == 1
    assert first.error is not None
    assert first.error.code == "FENCED_INSTANCE_ID"
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert "another member of consumer group" in logged
    assert "fix: give each member an instance id of its own" in logged


async def test_all_calls_of_a_fenced_member_say_so(broker: str, topic: str, engine: EngineName) -> None:
    # The commit notices it: the next heartbeat is far away.
    first, second = Member(broker, topic, engine, heartbeat=SESSION - 1), Member(broker, topic, engine)
    async with Producer(broker) as producer, anyio.create_task_group() as tasks:
        await producer.send(topic, b"0")
        async with first.reader:
            tasks.start_soon(first.read)
            await first.until_read(b"0")
            async with second.reader:
                tasks.start_soon(second.read)
                await second.until_read(b"0")
                place = TopicPartition(topic, 0)
                with pytest.raises(Fenced), anyio.fail_after(LONG):
                    await first.reader.commit({place: Offset(1)})
                await first.until_fenced()
                for call in (first.reader.fetch(), first.reader.committed([place]), first.reader.wait_connected()):
                    with pytest.raises(Fenced, match="has taken the instance id one"):
                        await call
                await second.reader.commit({place: Offset(1)})
                tasks.cancel_scope.cancel()


async def test_a_stream_that_is_fenced_says_so(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker) as producer:
        await producer.send(topic, b"0")
    second = Member(broker, topic, engine)
    reader = second.reader
    async with Consumer(reader.group_id, broker, instance_id="one", session_timeout=SESSION, engine=engine) as first:
        stream = await first.consume(topics=[topic], mode="earliest")
        with anyio.fail_after(LONG):
            message = await anext(aiter(stream))
            async with second.reader, anyio.create_task_group() as tasks:
                tasks.start_soon(second.read)
                await second.until_read(b"0")
                with pytest.raises(Fenced):
                    await message.commit()
                with pytest.raises(Fenced):
                    await anext(aiter(stream))
                tasks.cancel_scope.cancel()
