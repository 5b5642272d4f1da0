"""The producer engine of aiokafka: adds records to batches, and closes in a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from pywatt_kafka.aiokafka.client import RETRY_BACKOFF, bootstrap_errors, done, refresh_metadata
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.sockets import CLOSE_LIMIT, Sockets, finish
from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.engine.settings import FLUSH_LIMIT, METADATA_AGE, ProducerSettings
from pywatt_kafka.errors import KafkaUnavailable, UnknownPartition
from pywatt_kafka.records import OutgoingRecord, RecordPosition
from pywatt_kafka.timeout_queue import TimeoutQueue


class AiokafkaProducer:
    """A producer engine with one AIOKafkaProducer."""

    def __init__(self, brokers: tuple[str, ...], settings: ProducerSettings, security: Mapping[str, Any]) -> None:
        from aiokafka import AIOKafkaProducer
        from aiokafka import TopicPartition as Native

        from pywatt_kafka.aiokafka.accumulator import install

        self._brokers = brokers
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=",".join(brokers),
            metadata_max_age_ms=METADATA_AGE,
            retry_backoff_ms=RETRY_BACKOFF,
            client_id=settings.client_id,
            acks=settings.acks,
            enable_idempotence=settings.idempotent,
            linger_ms=settings.linger_ms,
            compression_type=settings.compression,
            max_batch_size=settings.batch_bytes,
            max_request_size=settings.max_request_bytes,
            request_timeout_ms=int(settings.request_timeout * 1000),
            **security,
        )
        self._accumulator = install(self._producer)
        self._place = Native
        self._failure = settings.failure
        self._timeouts: TimeoutQueue[asyncio.Future[Any]] = TimeoutQueue(
            settings.request_timeout, ended=asyncio.Future.done, expired=_expire
        )
        self._full: dict[str, Any] = {}
        """The full batch that a record found last, by topic."""
        self._sockets = Sockets(self._producer.client)

    async def open(self) -> None:
        """Connect and get a producer id."""
        with bootstrap_errors(self._brokers):
            await self._sockets.open(self._producer.start())

    def stale(self) -> bool:
        """Return whether no socket is connected."""
        return not self._sockets.any_live()

    async def check(self) -> None:
        """Ask for metadata."""
        await refresh_metadata(self._producer.client, self._brokers)

    def broken(self) -> bool:
        """Return whether the task that sends has ended."""
        return done(self._producer._sender.sender_task)

    async def close(self) -> None:
        """Flush for a limited time, fail the remaining records, disconnect."""
        from aiokafka.errors import KafkaTimeoutError

        await self._sockets.settle()
        await finish(self._producer.flush(), FLUSH_LIMIT)
        accumulator = self._producer._message_accumulator
        accumulator.fail_all(KafkaTimeoutError("the producer was closed"))
        for batches in (accumulator._pending_batches, *accumulator._batches.values()):
            for batch in batches:
                if not batch._drain_waiter.cancelled():
                    batch._drain_waiter.exception()  # else the loop logs that nobody has retrieved it
        await finish(self._producer.stop(), CLOSE_LIMIT)
        await self._sockets.close()
        self._timeouts.close()

    def retry_reason(self, topic: str) -> str:
        """Return why a topic's records are being retried; empty when they are not."""
        return self._accumulator.retry_reasons.get(topic, "")

    def knows(self, topic: str) -> bool:
        """Return whether the topic is in the client's metadata."""
        return self._producer.client.cluster.partitions_for_topic(topic) is not None

    def append(self, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add one record to its batch; return False when its topic is not known yet or there is no room.

        Does the first half of AIOKafkaProducer.send without its coroutines, which cost more than all the rest.
        """
        topic, value, key, headers, partition, timestamp, placed_by = record
        producer, accumulator = self._producer, self._producer._message_accumulator
        if accumulator._closed or accumulator._exception is not None or not self.knows(topic):
            return False
        self._check_partition(topic, partition)
        with translated(f"writing to topic {topic}"):
            producer._serialize(key, value, headers)  # checks the size
        placing = key if placed_by is None else placed_by
        place = self._place(topic, producer._partition(topic, partition, placing, value, placing, value))
        batches = accumulator._batches.get(place)
        batch = batches[-1] if batches else accumulator._append_batch(accumulator.create_builder(), place)
        delivery: asyncio.Future[Any] | None = batch.append(key, value, timestamp, headers=headers)
        if delivery is None:
            self._full[topic] = batch
            return False
        self._timeouts.add(delivery)
        delivery.add_done_callback(partial(self._delivered, topic, done))
        return True

    async def ready(self, record: OutgoingRecord) -> None:
        """Wait until the topic of a record is known and its batch has been sent."""
        with translated(f"writing to topic {record.topic}"):
            await self._producer.client._wait_on_metadata(record.topic)
            full = self._full.pop(record.topic, None)
            if full is not None:
                await full.wait_drain()

    def _delivered(self, topic: str, done: Acknowledge, delivery: asyncio.Future[Any]) -> None:
        if delivery.cancelled():
            done(KafkaUnavailable(f"writing to topic {topic}: the producer was closed"))
        elif (error := delivery.exception()) is not None:
            done(self._failure(topic, error))
        else:
            done(_position(topic, delivery.result()))

    def _check_partition(self, topic: str, partition: int | None) -> None:
        if partition is not None and partition not in self._producer.client.cluster.partitions_for_topic(topic):
            raise UnknownPartition(f"topic {topic} has no partition {partition}")


def _position(topic: str, acknowledged: Any) -> RecordPosition:
    if acknowledged is None:  # acks=0: unknown
        return RecordPosition(topic, -1, -1)
    return RecordPosition(topic, acknowledged.partition, acknowledged.offset)


def _expire(delivery: asyncio.Future[Any]) -> None:
    delivery.set_exception(TimeoutError())
