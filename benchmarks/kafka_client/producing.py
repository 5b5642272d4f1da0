"""Programs that write records: bare aiokafka and confluent-kafka, and pywatt_kafka on both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[int], Awaitable[None]]
"""Writes or reads so many records, and returns once all of them are acknowledged or read."""

WINDOW = 1000  # records in flight of a program that sends them one by one


@dataclass(frozen=True, slots=True)
class Task:
    """The broker, topic and records of a program."""

    broker: str
    topic: str
    value: bytes


@asynccontextmanager
async def bare_aiokafka(task: Task) -> AsyncIterator[Work]:
    """`await send()`, then all futures of a window."""
    from aiokafka import AIOKafkaProducer

    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            count = min(WINDOW, records - done)
            sent = [await producer.send(task.topic, task.value, key=b"%d" % number) for number in range(count)]
            await asyncio.wait(sent)
            for future in sent:
                future.result()

    async with _aiokafka_producer(AIOKafkaProducer, task) as producer:
        yield work


@asynccontextmanager
async def bare_aiokafka_tasks(task: Task) -> AsyncIterator[Work]:
    """`send_and_wait()` in a task for each record of a window."""
    from aiokafka import AIOKafkaProducer

    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            count = min(WINDOW, records - done)
            await asyncio.gather(
                *(producer.send_and_wait(task.topic, task.value, key=b"%d" % number) for number in range(count))
            )

    async with _aiokafka_producer(AIOKafkaProducer, task) as producer:
        yield work


@asynccontextmanager
async def bare_confluent(task: Task) -> AsyncIterator[Work]:
    """`produce()` with a callback, `poll(0)` after each record, `flush()` at the end."""
    from confluent_kafka import Producer

    failed: list[object] = []

    def delivered(error: object, message: Any) -> None:
        message.offset()
        if error is not None:
            failed.append(error)

    def write(records: int) -> None:
        for number in range(records):
            while True:
                try:
                    producer.produce(task.topic, task.value, b"%d" % (number % WINDOW), on_delivery=delivered)
                    break
                except BufferError:
                    producer.poll(0.01)
            producer.poll(0)
        producer.flush()
        if failed:
            raise RuntimeError(str(failed[0]))

    async def work(records: int) -> None:
        await asyncio.to_thread(write, records)

    producer = Producer(
        {
            "bootstrap.servers": task.broker,
            "enable.idempotence": True,
            "linger.ms": 0,
            "partitioner": "murmur2_random",
            "batch.size": 128 * 1024,
        }
    )
    yield work


def ours(engine: Any, method: str) -> Callable[[Task], Any]:
    """Return a program of pywatt_kafka's `Producer` that uses one of its methods."""

    @asynccontextmanager
    async def program(task: Task) -> AsyncIterator[Work]:
        from pywatt_kafka import Producer

        async with Producer(task.broker, engine=engine) as producer:
            await producer.wait_connected()
            yield METHODS[method](producer, task)

    return program


def _send(producer: Any, task: Task) -> Work:
    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            count = min(WINDOW, records - done)
            await asyncio.gather(
                *(producer.send(task.topic, task.value, key=b"%d" % number) for number in range(count))
            )

    return work


def _send_messages(producer: Any, task: Task) -> Work:
    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            count = min(WINDOW, records - done)
            messages = [{"topic": task.topic, "value": task.value, "key": b"%d" % number} for number in range(count)]
            for outcome in await producer.send(messages=messages):
                if isinstance(outcome, Exception):
                    raise outcome

    return work


def _enqueue(producer: Any, task: Task) -> Work:
    async def work(records: int) -> None:
        for number in range(records):
            await producer.enqueue(task.topic, task.value, key=b"%d" % (number % WINDOW))
        await producer.flush()

    return work


def _post(producer: Any, task: Task) -> Work:
    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            await window(min(WINDOW, records - done))

    async def window(count: int) -> None:
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        missing = count

        def told(outcome: Any) -> None:
            nonlocal missing
            missing -= 1
            if isinstance(outcome, Exception):
                finished.set_exception(outcome)
            elif not missing:
                finished.set_result(None)

        for number in range(count):
            producer.post(task.topic, task.value, told, key=b"%d" % number)
        await finished

    return work


METHODS: dict[str, Callable[[Any, Task], Work]] = {
    "send": _send,
    "send(messages)": _send_messages,
    "enqueue": _enqueue,
    "post": _post,
}


def _aiokafka_producer(make: Any, task: Task) -> Any:
    return make(bootstrap_servers=task.broker, acks="all", enable_idempotence=True, max_batch_size=128 * 1024)
