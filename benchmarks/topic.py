"""A topic on a real broker, filled fast, and read with aiokafka alone: the baseline for the code built on it."""

from __future__ import annotations

import asyncio
import time
import uuid

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka import Producer

from benchmarks.apps import AppError

FLUSH_TIMEOUT = 60.0  # seconds


async def create(broker: str, *, partitions: int = 1, name: str | None = None) -> str:
    """Make a topic, of a new name unless one is given, and return the name."""
    name = name or f"bench-{uuid.uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        await admin.close()
    return name


def fill(broker: str, name: str, records: int, *, keys: int | None = None) -> None:
    """Write records with different bodies and `keys` different keys in turn; None: all different."""
    failed: list[object] = []

    def delivered(error: object, _: object) -> None:
        if error is not None:
            failed.append(error)

    producer = Producer({"bootstrap.servers": broker, "linger.ms": 5, "partitioner": "murmur2_random"})
    for number in range(records):
        body, key = b'{"order":%d}' % number, b"key-%d" % (number % (keys or records))
        while True:
            try:
                producer.produce(name, body, key, on_delivery=delivered)
                break
            except BufferError:  # the queue is full
                producer.poll(0.1)
    if producer.flush(FLUSH_TIMEOUT) or failed:
        raise AppError(f"the broker did not take all of {records} records: {failed[:1]}")


async def read(broker: str, name: str, records: int) -> float:
    """Read that many records from the start; return records per second, from the first batch to the last."""
    async with AIOKafkaConsumer(name, bootstrap_servers=broker, auto_offset_reset="earliest") as consumer:
        begun = time.perf_counter()
        seen = 0
        while seen < records:
            batches = await consumer.getmany(timeout_ms=1000)
            seen += sum(map(len, batches.values()))
        return seen / (time.perf_counter() - begun)


async def publish(broker: str, name: str, *, senders: int, seconds: float) -> float:
    """Send one record after the other from each sender, each acknowledged (acks=all, idempotent); return the rate."""
    deadline = time.perf_counter() + seconds
    sent = 0

    async def send() -> None:
        nonlocal sent
        while time.perf_counter() < deadline:
            await producer.send_and_wait(name, b'{"order":1}', key=b"key")
            sent += 1

    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", enable_idempotence=True)
    async with producer, asyncio.TaskGroup() as tasks:
        for _ in range(senders):
            tasks.create_task(send())
    return sent / seconds
