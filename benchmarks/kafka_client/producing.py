"""Programs that write records: bare aiokafka and confluent-kafka, and pywatt_kafka on both."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[int], Awaitable[None]]
"""Writes or reads so many records, and returns once all of them are acknowledged or read."""

WINDOW = 1000  # records in flight of a program that sends them one by one
TURN = 500  # records that are written without waiting, before other tasks have a turn


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

    producer = Producer(_confluent_settings(task))
    yield work


@asynccontextmanager
async def bare_confluent_batches(task: Task) -> AsyncIterator[Work]:
    """`produce()` of a window with a callback that keeps the result of each record, then `flush()`."""
    from confluent_kafka import Producer

    def write(count: int) -> list[Any]:
        results: list[Any] = [None] * count

        def deliver(number: int) -> Callable[[Any, Any], None]:
            def delivered(error: Any, message: Any) -> None:
                results[number] = error or (message.topic(), message.partition(), message.offset())

            return delivered

        for number in range(count):
            producer.produce(task.topic, task.value, b"%d" % number, on_delivery=deliver(number))
            producer.poll(0)
        producer.flush()
        return results

    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            for result in await asyncio.to_thread(write, min(WINDOW, records - done)):
                if not isinstance(result, tuple):
                    raise RuntimeError(str(result))

    producer = Producer(_confluent_settings(task))
    yield work


@asynccontextmanager
async def bare_confluent_futures(task: Task) -> AsyncIterator[Work]:
    """`produce()` with a future for each record, which a thread that polls sets through `call_soon_threadsafe`."""
    from confluent_kafka import KafkaException, Producer

    loop = asyncio.get_running_loop()
    stopped = threading.Event()

    def poll() -> None:
        while not stopped.is_set():
            producer.poll(0.1)

    async def send(key: bytes) -> Any:
        future: asyncio.Future[Any] = loop.create_future()

        def settle(error: Any, position: Any) -> None:
            if not future.done():
                if error is None:
                    future.set_result(position)
                else:
                    future.set_exception(KafkaException(error))

        def delivered(error: Any, message: Any) -> None:
            loop.call_soon_threadsafe(settle, error, (message.topic(), message.partition(), message.offset()))

        producer.produce(task.topic, task.value, key, on_delivery=delivered)
        return await future

    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            await asyncio.gather(*(send(b"%d" % number) for number in range(min(WINDOW, records - done))))

    producer = Producer(_confluent_settings(task))
    thread = threading.Thread(target=poll)
    thread.start()
    yield work
    stopped.set()
    thread.join()


@asynccontextmanager
async def bare_confluent_aio(task: Task) -> AsyncIterator[Work]:
    """`AIOProducer.produce()`, `flush()` after each window, then its futures."""
    from confluent_kafka.aio import AIOProducer

    async def work(records: int) -> None:
        for done in range(0, records, WINDOW):
            count = min(WINDOW, records - done)
            sent = [await producer.produce(task.topic, task.value, b"%d" % number) for number in range(count)]
            await producer.flush()
            await asyncio.gather(*sent)

    async with AIOProducer(_confluent_settings(task)) as producer:
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
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        missing = records

        def told(outcome: Any) -> None:
            nonlocal missing
            missing -= 1
            if isinstance(outcome, Exception):
                finished.set_exception(outcome)
            elif not missing:
                finished.set_result(None)

        for number in range(records):
            producer.post(task.topic, task.value, told, key=b"%d" % (number % WINDOW))
            if not number % TURN:
                await asyncio.sleep(0)
        await finished

    return work


METHODS: dict[str, Callable[[Any, Task], Work]] = {
    "send": _send,
    "send(messages)": _send_messages,
    "enqueue": _enqueue,
    "post": _post,
}


def _confluent_settings(task: Task) -> dict[str, Any]:
    return {
        "bootstrap.servers": task.broker,
        "enable.idempotence": True,
        "linger.ms": 0,
        "partitioner": "murmur2_random",
        "batch.size": 128 * 1024,
    }


def _aiokafka_producer(make: Any, task: Task) -> Any:
    return make(bootstrap_servers=task.broker, acks="all", enable_idempotence=True, max_batch_size=128 * 1024)
