"""Positions that are not in the log, partitions that appear, records that are never delivered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from harness.undeliverable import delete_records, transaction

from pywatt_kafka import (
    Admin,
    Consumer,
    ConsumerStream,
    GroupReader,
    Offset,
    OffsetOutOfRange,
    Producer,
    TopicPartition,
    consumer_lag,
    ensure_topics,
)
from pywatt_kafka.connection import cluster_connection
from pywatt_kafka.engine.settings import EngineName

LONG = 60.0  # seconds
SESSION = 6.0  # seconds
ENGINES: Sequence[EngineName] = ("aiokafka", "rdkafka")

both = pytest.mark.parametrize("engine", ENGINES)


@asynccontextmanager
async def consuming_both(
    broker: str, topic: str, later: str, engine: EngineName
) -> AsyncIterator[tuple[ConsumerStream[Any, Any], Callable[[], Awaitable[ConsumerStream[Any, Any]]]]]:
    """Open a stream of two topics that begins at `latest`; yield it, and a function that opens one more."""
    async with AsyncExitStack() as stack:

        async def join() -> ConsumerStream[Any, Any]:
            consumer = Consumer(topic, broker, session_timeout=SESSION, engine=engine)
            await stack.enter_async_context(consumer)
            return await consumer.consume(topics=[topic, later], fallback="latest")

        first = await join()
        with anyio.fail_after(LONG):
            await first.wait_assigned()
        yield first, join


@asynccontextmanager
async def consuming(
    broker: str, topic: str, engine: EngineName = "aiokafka", **start: Any
) -> AsyncIterator[ConsumerStream[Any, Any]]:
    async with Consumer(topic, broker, session_timeout=SESSION, engine=engine) as consumer:
        yield await consumer.consume(topics=[topic], **start)


async def write(broker: str, topic: str, values: Sequence[str], *, partition: int | None = None) -> None:
    async with Producer(broker) as producer:
        await asyncio.gather(*(producer.send(topic, value.encode(), partition=partition) for value in values))


async def read(stream: ConsumerStream[Any, Any], count: int, *, commit: bool = False) -> list[Any]:
    found: list[Any] = []
    with anyio.fail_after(LONG):
        async for message in stream:
            if commit:
                await message.commit()
            found.append(message.value)
            if len(found) == count:
                return found
    return found


async def commit(broker: str, topic: str, offset: int) -> None:
    async with GroupReader(broker, group=topic, topics=[topic], session_timeout=SESSION) as reader:
        with anyio.fail_after(LONG):
            while TopicPartition(topic, 0) not in reader.assignment:
                await reader.fetch(timeout=0.1)
            await reader.commit({TopicPartition(topic, 0): Offset(offset)})


@both
@pytest.mark.parametrize("fallback", ["earliest", "latest", "fail"])
async def test_committed_offset_beyond_the_end_is_reported(
    broker: str, topic: str, engine: EngineName, caplog: pytest.LogCaptureFixture, fallback: Any
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["a", "b", "c"])
    await commit(broker, topic, 120)
    async with consuming(broker, topic, engine, fallback=fallback) as stream:
        if fallback == "fail":
            for _ in range(2):
                with pytest.raises(OffsetOutOfRange, match=r"no offset 120 any more: its log holds 0 to 3"):
                    await read(stream, 1)
            return
        if fallback == "latest":
            with anyio.fail_after(LONG):
                while "reading continues at 3 (latest)" not in caplog.text:
                    await stream._reader.fetch(timeout=0.05)
            await write(broker, topic, ["d"])
        assert (await read(stream, 1, commit=True))[0] == (b"a" if fallback == "earliest" else b"d")
    assert "no offset 120 any more: its log holds 0 to 3" in caplog.text
    assert (await consumer_lag(broker, topic, [topic]))[topic][0] == (2 if fallback == "earliest" else 0)


@both
async def test_a_group_reader_reports_it_too(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["a", "b", "c"])
    await commit(broker, topic, 120)
    member: Any = {"group": topic, "topics": [topic], "session_timeout": SESSION, "engine": engine}
    async with GroupReader(broker, fallback="fail", **member) as reader:
        with anyio.fail_after(LONG), pytest.raises(OffsetOutOfRange, match="no offset 120 any more"):
            await anext(aiter(reader))
        reader.seek(TopicPartition(topic, 0), 1)
        with anyio.fail_after(LONG):
            assert (await anext(aiter(reader))).value == b"b"
    async with GroupReader(broker, **member) as reader:
        with anyio.fail_after(LONG):
            assert (await anext(aiter(reader))).value == b"a"


@both
async def test_records_deleted_before_they_were_read_are_passed(
    broker: str, topic: str, engine: EngineName, caplog: pytest.LogCaptureFixture
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, [f"{number}" for number in range(10)])
    await commit(broker, topic, 2)
    await delete_records(broker, topic, before=6)
    async with consuming(broker, topic, engine) as stream:
        assert await read(stream, 4) == [b"6", b"7", b"8", b"9"]
    assert "has no offset 2 any more: its log holds 6 to 10; reading continues at 6 (earliest)" in caplog.text


@both
@pytest.mark.parametrize("partitions", [3, 1])
async def test_a_topic_that_is_created_again_smaller_is_read_from_its_first_record(
    broker: str, topic: str, engine: EngineName, partitions: int
) -> None:
    await ensure_topics(broker, [topic], partitions=3)
    for partition in range(3):
        await write(broker, topic, ["old"] * 20, partition=partition)
    async with consuming(broker, topic, engine) as stream:
        await read(stream, 60, commit=True)
        async with Admin(broker) as admin:
            await admin.delete_topics([topic])
            await ensure_topics(broker, [topic], partitions=partitions)
        await write(broker, topic, ["new"] * 5, partition=0)
        assert await read(stream, 5, commit=True) == [b"new"] * 5


@both
async def test_reading_a_deleted_topic_does_not_create_it(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["a"])
    async with consuming(broker, topic, engine) as stream, Admin(broker) as admin:
        await read(stream, 1)
        await admin.delete_topics([topic])
        for _ in range(3):  # asks for its metadata
            await stream._reader._connection.engine.check()  # type: ignore[union-attr]
        assert topic not in {each.name for each in await admin.list_topics()}


@both
async def test_latest_reads_what_appears_from_its_first_record(broker: str, topic: str, engine: EngineName) -> None:
    later = f"{topic}-later"
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["old"])
    async with Consumer(topic, broker, session_timeout=SESSION, engine=engine) as consumer:
        stream = await consumer.consume(topics=[topic, later], fallback="latest")
        with anyio.fail_after(LONG):
            await stream.wait_assigned()
        async with Admin(broker) as admin:
            await admin.create_partitions(topic, 2)
        await ensure_topics(broker, [later], partitions=1)
        await write(broker, topic, ["new partition"], partition=1)
        await write(broker, later, ["new topic"])
        assert sorted(await read(stream, 2)) == [b"new partition", b"new topic"]


@both
@pytest.mark.parametrize("new", ["partition", "topic"])
async def test_latest_loses_nothing_at_a_member_that_starts_before_the_group_has_noticed(
    broker: str, topic: str, engine: EngineName, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first member has looked for topics, and does not do it again; the second one finds more of them."""
    later = f"{topic}-later"
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["old"])
    async with consuming_both(broker, topic, later, engine) as (first, join):
        monkeypatch.setattr(cluster_connection, "CHECK_INTERVAL", LONG)
        if new == "partition":
            async with Admin(broker) as admin:
                await admin.create_partitions(topic, 5)
        else:
            await ensure_topics(broker, [later], partitions=5)
        for partition in range(1, 5):
            await write(broker, topic if new == "partition" else later, [f"{partition}"], partition=partition)
        second = await join()
        found: list[Any] = []

        async def note(stream: ConsumerStream[Any, Any]) -> None:
            async for message in stream:
                found.append(message.value)
                if len(found) == 4:
                    tasks.cancel_scope.cancel()

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(note, first)
                tasks.start_soon(note, second)
    assert sorted(found) == [b"1", b"2", b"3", b"4"]


@both
async def test_latest_begins_at_the_end_of_a_topic_that_a_group_is_given_later(
    broker: str, topic: str, engine: EngineName
) -> None:
    """The group reads another topic; this one has older records than it could have overlooked."""
    other = f"{topic}-other"
    await ensure_topics(broker, [topic, other], partitions=1)
    async with Producer(broker) as producer:
        await producer.send(topic, b"old", timestamp=1_700_000_000_000)
    for topics in ([other], [other, topic]):
        async with Consumer(topic, broker, session_timeout=SESSION, engine=engine) as consumer:
            stream = await consumer.consume(topics=topics, fallback="latest")
            with anyio.fail_after(LONG):
                await stream.wait_assigned()
            if topic in topics:
                await write(broker, topic, ["new"])
                assert await read(stream, 1) == [b"new"]


@both
async def test_a_group_that_has_read_all_has_no_lag_after_an_aborted_transaction(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await transaction(broker, topic, 3, commit=True)
    await transaction(broker, topic, 20, commit=False)
    async with consuming(broker, topic, engine) as stream:
        reading: list[Any] = []

        async def go_on() -> None:
            async for message in stream:
                reading.append(message)
                await message.commit()

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(go_on)
                lag = None
                while lag != {0: 0} or await stream.lag() != {TopicPartition(topic, 0): 0} or len(reading) < 3:
                    lag = (await consumer_lag(broker, topic, [topic]))[topic]
                tasks.cancel_scope.cancel()
    assert len(reading) == 3
