"""The producer engine of aiokafka: adds records to batches, and closes in a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from random import random
from typing import Any, NamedTuple

from pywatt_kafka.aiokafka.client import RETRY_BACKOFF, bootstrap_errors, done, refresh_metadata
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.sockets import CLOSE_LIMIT, Sockets, finish
from pywatt_kafka.engine.partitioning import partition_for
from pywatt_kafka.engine.protocols import Acknowledge, Append
from pywatt_kafka.engine.settings import FLUSH_LIMIT, METADATA_AGE, ProducerSettings
from pywatt_kafka.errors import RecordTooLarge, UnknownPartition
from pywatt_kafka.records import Header, OutgoingRecord

PARTITIONS_AGE = 1.0  # seconds for which a number of partitions is taken for the current one


class _Partitions(NamedTuple):
    """The partitions of a topic, as aiokafka names them."""

    all: list[Any]
    available: list[Any]
    """Partitions with a leader; all if none has one."""


class AiokafkaProducer:
    """A producer engine with one AIOKafkaProducer."""

    accumulator_class: Any = None
    """None: the plain one."""

    def __init__(self, brokers: tuple[str, ...], settings: ProducerSettings, security: Mapping[str, Any]) -> None:
        from aiokafka import AIOKafkaProducer
        from aiokafka import TopicPartition as Native
        from aiokafka.record.default_records import DefaultRecordBatchBuilder

        from pywatt_kafka.aiokafka.accumulator import install

        self._brokers = brokers
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=",".join(brokers),
            metadata_max_age_ms=METADATA_AGE,
            retry_backoff_ms=RETRY_BACKOFF,
            client_id=settings.client_id,
            transactional_id=settings.transactional_id,
            transaction_timeout_ms=int(settings.transaction_timeout * 1000),
            acks=settings.acks,
            enable_idempotence=settings.idempotent,
            linger_ms=settings.linger_ms,
            compression_type=settings.compression,
            max_batch_size=settings.batch_bytes,
            max_request_size=settings.max_request_bytes,
            request_timeout_ms=int(settings.request_timeout * 1000),
            **security,
        )
        self._accumulator = install(self._producer, settings, self.accumulator_class)
        self._cluster = self._producer.client.cluster
        self._native = Native
        self._size_of = DefaultRecordBatchBuilder.estimate_size_in_bytes
        self._largest = settings.max_request_bytes
        self._metadata: Any = None
        """The metadata that `_topics` is made of; aiokafka replaces it as a whole."""
        self._topics: dict[str, _Partitions] = {}
        self._sockets = Sockets(self._producer.client)

    async def open(self) -> None:
        """Connect and get a producer id."""
        with bootstrap_errors(self._brokers):
            await self._sockets.open(self._start())

    async def _start(self) -> None:
        """Start the producer; unlike its own `start`, fail if no broker is reached by the address that it names."""
        client = self._producer.client
        await client.bootstrap()
        await refresh_metadata(client, self._brokers)
        await self._producer._sender.start()

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
        await self._sockets.settle()
        await finish(self._producer.flush(), FLUSH_LIMIT)
        self._accumulator.end()
        await finish(self._producer.stop(), CLOSE_LIMIT)
        await self._sockets.close()

    async def flush(self) -> None:
        """Send the records that are waiting for more of their batches; return when all have an outcome."""
        await self._accumulator.flush()

    def retry_reason(self, topic: str) -> str:
        """Return why a topic's records are being retried; empty when they are not."""
        return self._accumulator.retry_reasons.get(topic, "")

    def knows(self, topic: str) -> bool:
        """Return whether the topic is in the client's metadata."""
        return topic in self._cluster._partitions

    def missed_at(self, topic: str) -> float | None:
        """Return the event loop's time of the last answer that did not know the topic."""
        if topic not in self._producer.client._topics:
            return None
        answered_at: float = self._cluster._last_successful_refresh_ms / 1000
        return asyncio.get_running_loop().time() - (time.time() - answered_at)

    def append(self, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add one record to its batch; return False when its topic is not known yet or there is no room.

        Does the first half of AIOKafkaProducer.send without its coroutines, which cost more than all the rest.
        """
        topic, value, key, headers, partition, _, placed_by = record
        if self._metadata is not self._cluster._partitions:
            self._metadata = self._cluster._partitions
            self._topics.clear()
        partitions = self._topics.get(topic)
        if partitions is None:
            if topic not in self._metadata:
                return False
            partitions = self._topics[topic] = self._partitions_of(topic)
        if headers or len(value or b"") + len(key or b"") > self._largest // 2:
            self._check_size(topic, key, value, headers)
        if partition is not None:
            if not 0 <= partition < len(partitions.all):
                if time.time() * 1000 - self._cluster._last_successful_refresh_ms > PARTITIONS_AGE * 1000:
                    return False
                raise UnknownPartition(f"topic {topic} has no partition {partition}")
            place = partitions.all[partition]
        elif (placing := key if placed_by is None else placed_by) is not None:
            place = partitions.all[partition_for(placing, len(partitions.all))]
        else:
            place = partitions.available[int(random() * len(partitions.available))]  # noqa: S311
        return self._accumulator.add(place, record, done)

    def append_all(self, appends: Sequence[Append]) -> int:
        """Append records up to the first one that `append` would not take, or would raise for; return their number."""
        append = self.append
        count = 0
        try:
            for record, done in appends:
                if not append(record, done):
                    break
                count += 1
        except Exception:  # noqa: BLE001  `append` is called again with this record, and raises
            return count
        return count

    def append_bytes(self, topic: str, value: bytes | None, key: bytes | None, done: Acknowledge | None) -> bool:
        """Return False: its batches keep the records."""
        return False

    def collect(self) -> None:
        """Do nothing: its connections are read by the event loop itself."""

    async def ready(self, record: OutgoingRecord) -> None:
        """Wait until the topic of a record is known, and there is room."""
        topic, partition = record.topic, record.partition
        with translated(f"writing to topic {topic}"):
            known = await self._producer.client._wait_on_metadata(topic)
            if partition is not None and partition not in known:
                await self._producer.client.force_metadata_update()
        await self._accumulator.room()

    def _partitions_of(self, topic: str) -> _Partitions:
        found = self._cluster._partitions[topic]
        places = {number: self._native(topic, number) for number in sorted(found)}
        available = [place for number, place in places.items() if found[number].leader != -1]
        return _Partitions(list(places.values()), available or list(places.values()))

    def _check_size(self, topic: str, key: bytes | None, value: bytes | None, headers: list[Header]) -> None:
        size = self._size_of(key, value, headers)
        if size > self._largest:
            raise RecordTooLarge(
                f"writing to topic {topic}: a record of {size} bytes is larger than max_request_bytes, {self._largest}"
            )
