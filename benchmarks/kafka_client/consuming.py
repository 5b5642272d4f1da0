"""Programs that read records as a member of a group: bare aiokafka and confluent-kafka, and pywatt_kafka on both."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.kafka_client.producing import Task, Work

BATCH = (
    500  # records, of programs that read so many at once; none reads more than a turn's: the last turn would lack them
)


@asynccontextmanager
async def bare_aiokafka(task: Task) -> AsyncIterator[Work]:
    """`getmany()`."""

    async def work(records: int) -> None:
        seen = 0
        while seen < records:
            for batch in (await reader.getmany(timeout_ms=1000, max_records=min(BATCH, records - seen))).values():
                for record in batch:
                    seen += record.offset >= 0

    async with _aiokafka_consumer(task) as reader:
        yield work


@asynccontextmanager
async def bare_aiokafka_iterated(task: Task) -> AsyncIterator[Work]:
    """`async for`."""

    async def work(records: int) -> None:
        seen = 0
        async for record in reader:
            seen += record.offset >= 0
            if seen >= records:
                break

    async with _aiokafka_consumer(task) as reader:
        yield work


@asynccontextmanager
async def bare_confluent(task: Task) -> AsyncIterator[Work]:
    """`consume()`, in a thread."""
    from confluent_kafka import Consumer

    def read(records: int) -> None:
        seen = 0
        while seen < records:
            for record in reader.consume(min(BATCH, records - seen), 1.0):
                if record.error() is None and record.offset() != -1 and record.value() is not None:
                    seen += 1

    async def work(records: int) -> None:
        await asyncio.to_thread(read, records)

    reader = Consumer(
        {
            "bootstrap.servers": task.broker,
            "group.id": f"bench-{uuid.uuid4().hex}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    reader.subscribe([task.topic])
    yield work
    reader.close()


def group_reader(engine: Any) -> Callable[[Task], Any]:
    """Return a program of `GroupReader.fetch`."""

    @asynccontextmanager
    async def program(task: Task) -> AsyncIterator[Work]:
        from pywatt_kafka import GroupReader

        async def work(records: int) -> None:
            seen = 0
            while seen < records:
                for batch in (await reader.fetch(timeout=1.0, max_records=min(BATCH, records - seen))).values():
                    for record in batch:
                        seen += record.offset >= 0

        group = f"bench-{uuid.uuid4().hex}"
        async with GroupReader(task.broker, group=group, topics=[task.topic], engine=engine) as reader:
            yield work

    return program


def consumer(engine: Any) -> Callable[[Task], Any]:
    """Return a program of `async for` over a Consumer."""

    @asynccontextmanager
    async def program(task: Task) -> AsyncIterator[Work]:
        from pywatt_kafka import Consumer

        async def work(records: int) -> None:
            seen = 0
            async for message in stream:
                seen += message.offset >= 0
                if seen >= records:
                    break

        async with Consumer(f"bench-{uuid.uuid4().hex}", task.broker, engine=engine) as ours:
            stream = await ours.consume(topics=[task.topic])
            yield work

    return program


def batches(engine: Any) -> Callable[[Task], Any]:
    """Return a program of `batches` of a Consumer's stream."""

    @asynccontextmanager
    async def program(task: Task) -> AsyncIterator[Work]:
        from pywatt_kafka import Consumer

        async def work(records: int) -> None:
            seen = 0
            async for batch in stream.batches(BATCH):
                for message in batch:
                    seen += message.offset >= 0
                if seen >= records:
                    break

        async with Consumer(f"bench-{uuid.uuid4().hex}", task.broker, engine=engine) as ours:
            stream = await ours.consume(topics=[task.topic])
            yield work

    return program


def _aiokafka_consumer(task: Task) -> Any:
    from aiokafka import AIOKafkaConsumer

    return AIOKafkaConsumer(
        task.topic,
        bootstrap_servers=task.broker,
        group_id=f"bench-{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
