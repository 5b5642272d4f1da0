"""The contract of Consumer on both engines: records flow, and commits are made inside the iteration."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest

from pywatt_kafka import (
    Consumer,
    ConsumerStream,
    Deserializers,
    Message,
    Producer,
    SerializationFailed,
    StreamMessage,
    String,
    TopicPartition,
    UnknownTopic,
    consumer_lag,
    ensure_topics,
    string_deserializers,
)
from pywatt_kafka.dlq.codec import decode
from pywatt_kafka.engine.settings import EngineName

LONG = 40.0  # seconds
SESSION = 6.0  # seconds; the shortest that brokers allow

pytestmark = pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])


def consumer_of(broker: str, group: str, engine: EngineName, **more: Any) -> Consumer[Any, Any]:
    settings = {"session_timeout": SESSION, "engine": engine, **more}
    return Consumer(group, broker, **settings)


async def write(broker: str, topic: str, values: Sequence[str], *, partition: int | None = None) -> None:
    async with Producer(broker) as producer:
        await asyncio.gather(
            *(producer.send(topic, value.encode(), key=value[:1].encode(), partition=partition) for value in values)
        )


@asynccontextmanager
async def consuming(
    broker: str, topic: str, engine: EngineName, *, group: str | None = None, **more: Any
) -> AsyncIterator[ConsumerStream[Any, Any]]:
    """A stream with the settings of both `Consumer` and `consume`."""
    start = {name: more.pop(name) for name in ("mode", "fallback") if name in more}
    async with consumer_of(broker, group or topic, engine, **more) as consumer:
        yield await consumer.consume(topics=[topic], **start)


async def read(stream: AsyncIterator[Any] | Any, count: int, *, commit: bool = False) -> list[StreamMessage[Any, Any]]:
    found: list[StreamMessage[Any, Any]] = []
    with anyio.fail_after(LONG):
        async for message in stream:
            if commit:
                await message.commit()
            found.append(message)
            if len(found) == count:
                break
    return found


def values(messages: Sequence[StreamMessage[Any, Any]]) -> list[Any]:
    return [message.value for message in messages]


async def test_records_are_read_in_order_and_committed_inside_the_iteration(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    sent = [f"{number}" for number in range(300)]
    await write(broker, topic, sent)
    async with consuming(broker, topic, engine, deserializers=string_deserializers) as stream:
        first = await read(stream, 100, commit=True)
        rest = await read(stream, 50)
    assert values([*first, *rest]) == sent[:150]
    assert first[0].topic_partition == TopicPartition(topic, 0)
    async with consuming(broker, topic, engine, deserializers=string_deserializers) as stream:
        assert values(await read(stream, 200)) == sent[100:]


async def test_the_form_without_consume(broker: str, topic: str, engine: EngineName) -> None:
    await write(broker, topic, ["a", "b"])
    async with consumer_of(broker, topic, engine, topics=[topic]) as consumer:
        assert values(await read(consumer, 2, commit=True)) == [b"a", b"b"]
    async with consumer_of(broker, topic, engine, topics=[topic]) as consumer:
        await write(broker, topic, ["c"])
        assert values(await read(consumer, 1)) == [b"c"]


async def test_concurrent_commits_travel_together(
    broker: str, topic: str, engine: EngineName, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, [f"{number}" for number in range(200)])
    async with consuming(broker, topic, engine) as stream:
        requests: list[Any] = []
        send = stream._reader.commit

        async def commit(offsets: Any) -> None:
            requests.append(offsets)
            await send(offsets)

        monkeypatch.setattr(stream._reader, "commit", commit)
        messages = await read(stream, 200)
        with anyio.fail_after(LONG):
            await asyncio.gather(*(message.commit() for message in messages))
        assert len(requests) <= 2
        await messages[3].commit()  # does not go back
    async with consuming(broker, topic, engine) as stream:
        await write(broker, topic, ["last"])
        assert values(await read(stream, 1)) == [b"last"]


@pytest.mark.parametrize("mode", ["earliest", "latest"])
async def test_mode_begins_at_an_end_whatever_is_committed(
    broker: str, topic: str, engine: EngineName, mode: Any
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["a", "b", "c"])
    async with consuming(broker, topic, engine) as stream:
        await read(stream, 2, commit=True)
    async with consuming(broker, topic, engine, mode=mode) as stream:
        await assigned(stream)
        await write(broker, topic, ["d"])
        expected = [b"a", b"b", b"c", b"d"] if mode == "earliest" else [b"d"]
        assert values(await read(stream, len(expected))) == expected


async def test_latest_keeps_its_place_when_it_is_stopped_before_a_record_comes(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["old"])
    async with consuming(broker, topic, engine, fallback="latest") as stream:
        await assigned(stream)
    await write(broker, topic, ["while it was away"])
    async with consuming(broker, topic, engine, fallback="latest") as stream:
        assert values(await read(stream, 1)) == [b"while it was away"]


async def test_seek_by_offset_time_and_end(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    begun = int(time.time()) - 60  # seconds; the broker deletes old records
    async with Producer(broker) as producer:
        for number in range(10):
            await producer.send(topic, b"%d" % number, timestamp=(begun + number) * 1000)
    async with consuming(broker, topic, engine) as stream:
        assert values(await read(stream, 3)) == [b"0", b"1", b"2"]
        await stream.seek(8)
        assert values(await read(stream, 2)) == [b"8", b"9"]
        await stream.seek(datetime.fromtimestamp(begun + 4.5, UTC), TopicPartition(topic, 0))
        assert values(await read(stream, 1)) == [b"5"]
        assert await stream.lag() == {TopicPartition(topic, 0): 4}
        await stream.seek("earliest")
        assert values(await read(stream, 1)) == [b"0"]
        await stream.seek("latest")
        assert await stream.lag() == {TopicPartition(topic, 0): 0}
        with pytest.raises(ValueError, match="0 or more"):
            await stream.seek(-7)


async def test_a_paused_partition_delivers_nothing_and_then_all(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    for partition in range(2):
        await write(broker, topic, [f"{number}" for number in range(20)], partition=partition)
    held, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    async with consuming(broker, topic, engine) as stream:
        await assigned(stream)
        stream.pause(held)
        before = await read(stream, 20)
        assert {message.partition for message in before} == {1}
        stream.pause(other)
        stream.resume(held)
        after = await read(stream, 20)
        assert [message.offset for message in after if message.partition == 0] == list(range(20))


async def test_a_bad_value_fails_is_skipped_or_becomes_a_dead_letter(
    broker: str, topics: Callable[[], str], engine: EngineName
) -> None:
    def number(data: bytes | None, *_: object) -> int:
        return int(data or b"")

    async def number_later(data: bytes | None, *_: object) -> int:
        await asyncio.sleep(0)
        return int(data or b"")

    topic = topics()
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["1", "bad", "3"])
    for function in (number, number_later):
        numbers = Deserializers(key=String(), value=function)
        async with consuming(broker, topic, engine, group=topics(), deserializers=numbers) as stream:
            assert values(await read(stream, 1)) == [1]
            for _ in range(2):
                with pytest.raises(SerializationFailed) as failed:
                    await read(stream, 1)
                assert (failed.value.topic, failed.value.partition, failed.value.offset) == (topic, 0, 1)
            await stream.seek(2)
            assert values(await read(stream, 1)) == [3]
        async with consuming(
            broker, topic, engine, group=topics(), deserializers=numbers, on_bad_value="skip"
        ) as stream:
            assert values(await read(stream, 2)) == [1, 3]
    async with consuming(broker, topic, engine, deserializers=numbers, on_bad_value="dlq") as stream:
        found = await read(stream, 2, commit=True)
        assert values(found) == [1, 3]
    async with consuming(broker, f"{topic}-dlq", engine, group=topics()) as stream:
        (letter,) = await read(stream, 1)
        assert decode(Message(*letter[:7])).place == (letter.partition, letter.offset)
        assert (decode(Message(*letter[:7])).origin_offset, decode(Message(*letter[:7])).value) == (1, b"bad")


async def test_a_name_that_no_topic_can_have_is_refused_at_once(broker: str, topic: str, engine: EngineName) -> None:
    async with consumer_of(broker, topic, engine) as consumer:
        with pytest.raises(UnknownTopic, match="no such name"):
            await consumer.consume(topics=["no such name"])


async def test_what_is_committed_is_what_the_group_shows(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, ["a", "b", "c"])
    async with consuming(broker, topic, engine) as stream:
        await read(stream, 2, commit=True)
    found = await consumer_lag(broker, topic, [topic])
    assert found == {topic: {0: 1}}


async def assigned(stream: ConsumerStream[Any, Any]) -> None:
    with anyio.fail_after(LONG):
        await stream.wait_assigned()
