"""The producer engine of librdkafka: a thread of its own receives acknowledgements and passes them on in batches."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import anyio

from pywatt_kafka.engine.settings import FLUSH_LIMIT, ProducerSettings
from pywatt_kafka.errors import KafkaUnavailable, UnknownPartition
from pywatt_kafka.rdkafka.client import CHECK_LIMIT, client_settings
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.records import OutgoingRecord
from pywatt_kafka.security.options import Security

CLOSE_LIMIT = 3.0  # seconds
POLL_INTERVAL = 0.2  # seconds between checks of the thread whether to end
TOPIC_RETRY = 0.1  # seconds between requests for a topic that does not exist yet
QUEUED_RECORDS = 1_000_000
CALLS = 4  # threads for requests to the brokers


class Acknowledged(NamedTuple):
    """The partition and offset of a written record."""

    partition: int
    offset: int


class RdkafkaProducer:
    """A producer engine with one confluent-kafka Producer."""

    def __init__(self, brokers: tuple[str, ...], settings: ProducerSettings, security: Security) -> None:
        self._brokers = brokers
        self._settings = settings
        self._security = security
        self._health = ClientHealth(brokers)
        self._producer: Any = None
        self._partitions: dict[str, int] = {}
        """Number of partitions of each known topic."""
        self._calls = ThreadPoolExecutor(CALLS, thread_name_prefix="rdkafka-producer")
        self._listener: threading.Thread | None = None
        self._closing = False
        self._done: deque[tuple[asyncio.Future[Any], Any, int, int]] = deque()
        self._woken = False
        self._waiting: set[asyncio.Future[Any]] = set()

    async def open(self) -> None:
        """Connect."""
        self._loop = asyncio.get_running_loop()
        await self._call(self._make)
        self._listener = threading.Thread(target=self._listen, name="rdkafka-acks", daemon=True)
        self._listener.start()
        await self.check()

    def stale(self) -> bool:
        """Return whether no broker is connected."""
        return self._health.down

    async def check(self) -> None:
        """Ask for metadata."""
        from confluent_kafka import KafkaException

        try:
            metadata = await self._call(partial(self._producer.list_topics, timeout=CHECK_LIMIT))
        except KafkaException as error:
            raise self._health.unreachable() from error
        self._health.answered()
        self._learn(metadata)

    def broken(self) -> bool:
        """Return whether a fatal error has stopped the client for good."""
        return self._health.fatal

    async def close(self) -> None:
        """Flush for a limited time, fail the remaining records, disconnect."""
        self._closing = True
        if self._producer is not None:
            with anyio.move_on_after(FLUSH_LIMIT + CLOSE_LIMIT):
                await self._call(self._finish)
        self._calls.shutdown(wait=False)
        self._settle()
        for future in self._waiting:
            if not future.done():
                future.set_exception(KafkaUnavailable("the producer was closed"))
        self._waiting.clear()

    def retry_reason(self, topic: str) -> str:
        """Return nothing: librdkafka does not say why it retries."""
        return ""

    def knows(self, topic: str) -> bool:
        """Return whether the topic is in the client's metadata."""
        return topic in self._partitions

    def append(self, record: OutgoingRecord) -> asyncio.Future[Any] | None:
        """Add one record to its batch; return a future of its acknowledgement, or None when there is no room yet."""
        partitions = self._partitions.get(record.topic)
        if partitions is None or self._closing or (record.partition is not None and record.partition >= partitions):
            return None
        return self._produce(record)

    async def append_later(self, record: OutgoingRecord) -> asyncio.Future[Any]:
        """Add one record to its batch once the topic is known."""
        topic, partition = record.topic, record.partition
        while True:
            with translated(f"asking for topic {topic}"):
                metadata = await self._call(partial(self._producer.list_topics, topic, timeout=CHECK_LIMIT))
            self._learn(metadata)
            if topic in self._partitions:
                break
            error = metadata.topics[topic].error if topic in metadata.topics else None
            if error is not None and error.code() in _permanent_errors():
                raise translate(error, during=f"asking for topic {topic}")
            await asyncio.sleep(TOPIC_RETRY)
        if partition is not None and partition >= self._partitions[topic]:
            raise UnknownPartition(f"topic {topic} has no partition {partition}")
        return self._produce(record)

    def _make(self) -> None:
        from confluent_kafka import Producer

        given = self._settings
        with translated(f"connecting to {','.join(self._brokers)}"):
            self._producer = Producer(
                {
                    **client_settings(self._brokers, given.client_id, self._security),
                    "acks": str(given.acks),
                    "enable.idempotence": given.idempotent,
                    "linger.ms": given.linger_ms,
                    "compression.type": given.compression or "none",
                    "batch.size": given.batch_bytes,
                    "message.max.bytes": given.max_request_bytes,
                    "message.timeout.ms": int(given.request_timeout * 1000),
                    "queue.buffering.max.messages": QUEUED_RECORDS,
                    "partitioner": "murmur2_random",  # as Kafka's own clients; records without a key are spread
                    "error_cb": self._health.report,
                }
            )

    def _produce(self, record: OutgoingRecord) -> asyncio.Future[Any]:
        topic, value, key, headers, partition, timestamp, placed_by = record
        if partition is None and placed_by is not None:
            partition = _partition_of(placed_by, self._partitions[topic])
        future: asyncio.Future[Any] = self._loop.create_future()
        more: dict[str, Any] = {}
        if partition is not None:
            more["partition"] = partition
        if timestamp is not None:
            more["timestamp"] = timestamp
        try:
            with translated(f"writing to topic {topic}"):
                self._producer.produce(
                    topic, value, key, headers=headers, on_delivery=partial(self._delivered, future), **more
                )
        except BufferError as error:
            raise KafkaUnavailable(f"writing to topic {topic}: too many records wait for the brokers") from error
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    def _listen(self) -> None:
        while not self._closing:
            self._producer.poll(POLL_INTERVAL)

    def _delivered(self, future: asyncio.Future[Any], error: Any, message: Any) -> None:
        """Receive an acknowledgement; called in the thread that polls."""
        self._done.append((future, error, message.partition(), message.offset()))
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        self._woken = False
        done = self._done
        while done:
            future, error, partition, offset = done.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(Acknowledged(partition, offset))
            else:
                future.set_exception(translate(error, during="writing"))

    def _finish(self) -> None:
        if self._listener is not None:
            self._listener.join()
        self._producer.flush(FLUSH_LIMIT)
        self._producer.purge()
        self._producer.flush(CLOSE_LIMIT)

    def _learn(self, metadata: Any) -> None:
        for name, topic in metadata.topics.items():
            if topic.error is None and topic.partitions:
                self._partitions[name] = len(topic.partitions)

    async def _call(self, function: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._calls, function)


def _partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that Kafka's own clients choose for a key."""
    from aiokafka.partitioner import murmur2

    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def _permanent_errors() -> tuple[int, ...]:
    """Return the permanent errors of a topic; a missing one is none, as the question may create it."""
    from confluent_kafka import KafkaError as Native

    return Native.TOPIC_EXCEPTION, Native.TOPIC_AUTHORIZATION_FAILED
