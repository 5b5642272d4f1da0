"""Transactions on both engines: all or nothing, exactly once, and no commit by a zombie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import anyio
import pytest

from pywatt_kafka import (
    CommitFailed,
    Consumer,
    Fenced,
    Fetching,
    GroupReader,
    Isolation,
    KafkaError,
    Offset,
    Producer,
    TopicPartition,
    TransactionAborted,
    ensure_topics,
)
from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds


async def read(
    broker: str, topic: str, until: bytes, *, isolation: Isolation = Isolation.READ_COMMITTED
) -> list[bytes]:
    """Return the values of a topic up to one."""
    values: list[bytes] = []
    reader = GroupReader(
        broker, group=f"reader-{topic}-{isolation.value}", topics=[topic], fetching=Fetching(isolation=isolation)
    )
    with anyio.fail_after(LONG):
        async with reader:
            async for message in reader:
                values.append(message.value or b"")
                if message.value == until:
                    break
    return values


@dataclass(frozen=True)
class Stale:
    """A record of a member as it was at an earlier generation."""

    topic: str
    partition: int
    offset: int
    member: GroupMember
    revoked: bool = False

    @property
    def reader(self) -> Stale:
        return self

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset([TopicPartition(self.topic, self.partition)])

    def group_member(self) -> GroupMember:
        return self.member


async def fail_after_sending(producer: Producer, topic: str, value: bytes) -> None:
    """Raise in a transaction."""
    async with producer.transaction():
        await producer.send(topic, value)
        raise ZeroDivisionError


async def test_a_transaction_is_visible_as_a_whole_or_not_at_all(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, transactional_id=topic, engine=engine) as producer:
        for number in range(3):
            async with producer.transaction():
                await producer.send(topic, b"kept %d" % number)
                await producer.send(topic, b"kept too %d" % number)
            with pytest.raises(ZeroDivisionError):
                await fail_after_sending(producer, topic, b"dropped %d" % number)
        async with producer.transaction():
            pass
        async with producer.transaction():
            await producer.send(topic, b"last")
    kept = [value for number in range(3) for value in (b"kept %d" % number, b"kept too %d" % number)]
    assert await read(broker, topic, b"last") == [*kept, b"last"]
    everything = await read(broker, topic, b"last", isolation=Isolation.READ_UNCOMMITTED)
    assert [value for value in everything if value not in kept] == [b"dropped 0", b"dropped 1", b"dropped 2", b"last"]


async def test_a_transaction_with_a_lost_record_is_aborted(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, transactional_id=topic, engine=engine, max_request_bytes=10_000) as producer:

        async def lose_one() -> None:
            async with producer.transaction():
                await producer.send(topic, b"dropped")
                outcomes = await producer.send(messages=[{"topic": topic, "value": b"x" * 100_000}])
                assert isinstance(outcomes[0], KafkaError)

        with pytest.raises(TransactionAborted, match="was not written"):
            await lose_one()
        async with producer.transaction():
            await producer.send(topic, b"last")
    assert await read(broker, topic, b"last") == [b"last"]


async def test_wrong_use_is_an_error_at_once(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, transactional_id=topic, engine=engine) as producer, Producer(broker) as plain:
        with pytest.raises(KafkaError, match="no transaction is under way"):
            await producer.send(topic, b"outside")
        with pytest.raises(KafkaError, match="has no transactional_id"):
            plain.transaction()
        async with producer.transaction():
            await producer.send(topic, b"inside")
            with pytest.raises(KafkaError, match="is under way"):
                async with producer.transaction():
                    pass
    assert await read(broker, topic, b"inside") == [b"inside"]


async def test_a_second_producer_with_the_id_fences_the_first(broker: str, topic: str, engine: EngineName) -> None:
    async with Producer(broker, transactional_id=topic, engine=engine) as first:

        async def be_overtaken() -> None:
            async with first.transaction():
                await first.send(topic, b"dropped")
                async with Producer(broker, transactional_id=topic, engine=engine) as second, second.transaction():
                    await second.send(topic, b"kept")

        with pytest.raises(Fenced) as caught:
            await be_overtaken()
        assert caught.value.code == "PRODUCER_FENCED"
        with pytest.raises(Fenced), anyio.fail_after(LONG):
            async with first.transaction():
                await first.send(topic, b"dropped too")
        async with Producer(broker, transactional_id=topic, engine=engine) as third, third.transaction():
            await third.send(topic, b"last")
    assert await read(broker, topic, b"last") == [b"kept", b"last"]


async def test_the_offsets_of_a_batch_are_committed_with_it(
    broker: str, topics: Callable[[], str], engine: EngineName
) -> None:
    source, sink = topics(), topics()
    async with Producer(broker) as producer:
        for number in range(10):
            await producer.send(source, b"%d" % number)

    async def work(count: int, *, fail: bool) -> None:
        async with (
            Producer(broker, transactional_id=sink, engine=engine) as writer,
            Consumer(f"group-{source}", broker, engine=engine) as consumer,
        ):
            stream = await consumer.consume(topics=[source])
            batch = []
            async for message in stream:
                batch.append(message)
                if len(batch) == count:
                    break
            async with writer.transaction(batch):
                for message in batch:
                    await writer.send(sink, b"of " + (message.value or b""))
                if fail:
                    raise ZeroDivisionError

    with anyio.fail_after(LONG):
        with pytest.raises(ZeroDivisionError):
            await work(7, fail=True)
        await work(4, fail=False)
        with pytest.raises(ZeroDivisionError):
            await work(3, fail=True)
        await work(6, fail=False)
    assert await read(broker, sink, b"of 9") == [b"of %d" % number for number in range(10)]


async def test_a_zombie_commits_nothing(broker: str, topics: Callable[[], str], engine: EngineName) -> None:
    source, sink = topics(), topics()
    await ensure_topics(broker, [source], partitions=2)
    group = f"group-{source}"
    place = TopicPartition(source, 0)
    async with Producer(broker) as plain:
        for partition in range(2):
            await plain.send(source, b"x", partition=partition)

    async def fetch_until(readers: Sequence[GroupReader], done: Callable[[], bool]) -> None:
        with anyio.fail_after(LONG):
            while not done():
                for reader in readers:
                    await reader.fetch(timeout=0.1)

    first = GroupReader(broker, group=group, topics=[source], engine=engine)
    second = GroupReader(broker, group=group, topics=[source], engine=engine)
    async with Producer(broker, transactional_id=sink, engine=engine) as producer, first:
        await fetch_until([first], lambda: len(first.assignment) == 2)
        zombie = Stale(source, 0, 0, first.group_member())
        async with second:
            await fetch_until([first, second], lambda: len(first.assignment) == len(second.assignment) == 1)
            with pytest.raises(CommitFailed):
                async with producer.transaction([zombie]):
                    await producer.send(sink, b"dropped")
            assert await first.committed([place]) == {}
            owner = first if place in first.assignment else second
            other = second if owner is first else first

            async def commit(value: bytes, reader: GroupReader) -> None:
                async with producer.transaction() as transaction:
                    await producer.send(sink, value)
                    await transaction.commit_offsets(reader, {place: Offset(1, "noted")})

            with pytest.raises(CommitFailed, match="not assigned"):
                await commit(b"dropped too", other)
            await commit(b"last", owner)
            assert await owner.committed([place]) == {place: Offset(1, "noted")}
    assert await read(broker, sink, b"last") == [b"last"]
