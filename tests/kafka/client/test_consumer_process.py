"""`process`, `batches` and the events of a consumer's stream, on both engines."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from pywatt_kafka import (
    Consumer,
    ConsumerStream,
    Message,
    Producer,
    StreamMessage,
    TopicPartition,
    consumer_lag,
    ensure_topics,
)
from pywatt_kafka.dlq.codec import decode
from pywatt_kafka.engine.settings import EngineName

LONG = 40.0  # seconds
SESSION = 6.0  # seconds

Record = StreamMessage[Any, Any]

pytestmark = pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])


@asynccontextmanager
async def consuming(
    broker: str, topic: str, engine: EngineName, group: str | None = None
) -> AsyncIterator[ConsumerStream[Any, Any]]:
    async with Consumer(group or topic, broker, session_timeout=SESSION, engine=engine) as consumer:
        yield await consumer.consume(topics=[topic])


async def write(broker: str, topic: str, keys: int, count: int) -> None:
    async with Producer(broker) as producer:
        await asyncio.gather(
            *(producer.send(topic, b"%d" % number, key=b"key-%d" % (number % keys)) for number in range(count))
        )


class Handled:
    """Records what a handler is given, and ends the stream after a number of records."""

    def __init__(self, stream: ConsumerStream[Any, Any], count: int) -> None:
        self.stream = stream
        self.count = count
        self.by_key: dict[Any, list[int]] = defaultdict(list)
        self.running: Counter[Any] = Counter()
        self.most = 0
        self._enough = asyncio.Event()

    async def __call__(self, message: Record) -> None:
        self.running[message.key] += 1
        assert self.running[message.key] == 1, "two records of one key at once"
        self.most = max(self.most, self.running.total())
        for _ in range(3):
            await asyncio.sleep(0)  # the others' turn
        self.running[message.key] -= 1
        self.by_key[message.key].append(int(message.value))
        if sum(map(len, self.by_key.values())) >= self.count:
            self._enough.set()

    async def run(self, **options: Any) -> None:
        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._close)
                await self.stream.process(self, **options)

    async def _close(self) -> None:
        await self._enough.wait()
        await self.stream.close()


async def test_process_keeps_the_order_of_keys_side_by_side_and_commits(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    await write(broker, topic, keys=20, count=400)
    async with consuming(broker, topic, engine) as stream:
        handled = Handled(stream, 400)
        await handled.run(concurrency=10)
    assert 5 <= handled.most <= 10
    assert all(numbers == sorted(numbers) for numbers in handled.by_key.values())
    assert Counter(map(len, handled.by_key.values())) == {20: 20}
    assert sum((await consumer_lag(broker, topic, [topic]))[topic].values()) == 0


async def test_a_failing_key_holds_up_no_other_and_becomes_a_dead_letter(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic, f"{topic}-dlq"], partitions=1)
    await write(broker, topic, keys=4, count=12)
    attempts: Counter[int] = Counter()
    async with consuming(broker, topic, engine) as stream:
        handled = Handled(stream, 11)

        async def handler(message: Record) -> None:
            number = int(message.value)
            attempts[number] += 1
            if number == 5:
                raise RuntimeError("not this one")
            await handled(message)

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(handled._close)
                await stream.process(handler, retries=2, retry_delay=0.05, dlq=f"{topic}-dlq")
    assert attempts == Counter(dict.fromkeys(range(12), 1) | {5: 3})
    assert handled.by_key[b"key-1"] == [1, 9]
    assert (await consumer_lag(broker, topic, [topic]))[topic] == {0: 0}
    async with consuming(broker, f"{topic}-dlq", engine) as stream:
        with anyio.fail_after(LONG):
            letter = decode(Message(*(await anext(aiter(stream)))[:7]))
    assert (letter.origin_offset, letter.attempts, letter.value, letter.key) == (5, 3, b"5", b"key-1")
    assert "not this one" in letter.error


async def test_what_is_done_beyond_a_stuck_record_is_not_done_again(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, keys=10, count=50)
    async with consuming(broker, topic, engine) as stream:
        handled = Handled(stream, 45)

        async def stuck(message: Record) -> None:
            if message.key == b"key-0":
                raise RuntimeError("not now")
            await handled(message)

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(handled._close)
                await stream.process(stuck, retries=1000, retry_delay=0.05)
    assert (await consumer_lag(broker, topic, [topic]))[topic] == {0: 50}
    async with consuming(broker, topic, engine) as stream:
        again = Handled(stream, 5)
        await again.run()
    assert dict(again.by_key) == {b"key-0": [0, 10, 20, 30, 40]}


async def test_without_a_dead_letter_topic_the_error_of_the_handler_ends_process(
    broker: str, topic: str, engine: EngineName
) -> None:
    await write(broker, topic, keys=1, count=1)

    def handler(message: Record) -> None:
        raise LookupError("no such customer")

    async with consuming(broker, topic, engine) as stream:
        with anyio.fail_after(LONG), pytest.raises(LookupError, match="no such customer") as failed:
            await stream.process(handler, retries=1, retry_delay=0.01)
    assert "after 2 attempts" in failed.value.__notes__[0]


async def test_batches_are_full_or_in_time_and_commit_together(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    await write(broker, topic, keys=10, count=25)
    async with consuming(broker, topic, engine) as stream:
        sizes: list[int] = []
        with anyio.fail_after(LONG):
            async for batch in stream.batches(10, timeout=0.5):
                sizes.append(len(batch))
                await batch.commit()
                if sum(sizes) == 25:
                    break
    assert max(sizes) == 10
    assert sum((await consumer_lag(broker, topic, [topic]))[topic].values()) == 0


async def test_handlers_of_events(broker: str, topic: str, engine: EngineName) -> None:
    await ensure_topics(broker, [topic], partitions=1)
    await write(broker, topic, keys=1, count=4)
    found: list[bytes] = []
    errors: list[Exception] = []
    places: list[frozenset[TopicPartition]] = []
    async with consuming(broker, topic, engine) as stream:

        @stream.on("data")
        async def on_data(message: Record) -> None:
            if len(found) == 3:
                raise ValueError("enough")
            await message.commit()
            found.append(message.value)

        async def on_error(error: Exception) -> None:
            errors.append(error)
            await stream.close()

        stream.on("error", on_error)
        stream.on("assigned", places.append)
        with anyio.fail_after(LONG):
            await stream.wait_closed()
    assert (found, [str(error) for error in errors]) == ([b"0", b"1", b"2"], ["enough"])
    assert frozenset({TopicPartition(topic, 0)}) in places
    assert (await consumer_lag(broker, topic, [topic]))[topic] == {0: 1}


async def test_closing_from_inside_the_iteration(broker: str, topics: Callable[[], str], engine: EngineName) -> None:
    topic = topics()
    await write(broker, topic, keys=3, count=30)
    async with consuming(broker, topic, engine) as stream:
        count = 0
        with anyio.fail_after(LONG):
            async for _ in stream:
                count += 1
                if count == 2:
                    await stream.close()
                    await stream.close()
    assert count == 2
