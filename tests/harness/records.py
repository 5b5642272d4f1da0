"""Writes and reads records of a topic, for tests that look at Kafka from outside the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError

from pywatt_kafka import Admin

Record: TypeAlias = "ConsumerRecord[bytes, bytes]"
PATIENCE = 60.0


def create_topic(bootstrap: str, topic: str, partitions: int = 1) -> None:
    """Create a topic unless it exists."""

    async def create() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        await admin.start()
        try:
            await admin.create_topics([NewTopic(topic, partitions, 1)])
        except TopicAlreadyExistsError:
            pass
        finally:
            await admin.close()

    asyncio.run(create())


def configure_group(bootstrap: str, group: str, settings: Mapping[str, str]) -> None:
    """Set configs of a group."""

    async def alter() -> None:
        async with Admin(bootstrap) as admin:
            await admin.alter_configs("group", group, settings)

    asyncio.run(alter())


def publish(
    bootstrap: str,
    topic: str,
    records: Iterable[tuple[bytes | None, bytes | None]],
    headers: Sequence[tuple[str, bytes]] = (),
) -> None:
    """Write (key, value) pairs and return when the broker has them."""

    async def send_all() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
        await producer.start()
        try:
            sent = [await producer.send(topic, value, key=key, headers=list(headers)) for key, value in records]
            await asyncio.gather(*sent)
        finally:
            await producer.stop()

    asyncio.run(send_all())


def read_until(bootstrap: str, topic: str, enough: Callable[[list[Record]], bool]) -> list[Record]:
    """Read a topic from its beginning until there is enough; fail when that takes longer than PATIENCE."""
    records: list[Record] = []

    async def read() -> None:
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", metadata_max_age_ms=500
        )
        await consumer.start()
        try:
            async with asyncio.timeout(PATIENCE):
                while not enough(records):
                    for batch in (await consumer.getmany(timeout_ms=500)).values():
                        records.extend(batch)
        finally:
            await consumer.stop()

    asyncio.run(read())
    return records


def read_count(bootstrap: str, topic: str, count: int) -> list[Record]:
    """Read a topic from its beginning until it has this number of records."""
    return read_until(bootstrap, topic, lambda records: len(records) >= count)
