"""The producer engine of librdkafka: a thread of its own receives acknowledgements and passes them on in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import anyio

from pywatt_kafka.engine.protocols import Acknowledge, Append
from pywatt_kafka.engine.settings import FLUSH_LIMIT, ProducerSettings
from pywatt_kafka.errors import UnknownPartition
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.delivery_reports import DeliveryReports
from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.metadata import topics_of_cluster
from pywatt_kafka.rdkafka.settings.client import CHECK_LIMIT
from pywatt_kafka.rdkafka.settings.producer import producer_settings
from pywatt_kafka.rdkafka.settings.security import acquire_token
from pywatt_kafka.records import OutgoingRecord
from pywatt_kafka.security.options import Security

CLOSE_LIMIT = 3.0  # seconds
TOPIC_RETRY = 0.1  # seconds between requests for a topic that does not exist yet
CALLS = 4  # threads for requests to the brokers

PARTITIONS_AGE = 1.0  # seconds for which a number of partitions is taken for the current one
ANY_PARTITION = -1  # the partitioner chooses
NOW = 0  # as a timestamp


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
        self._reports: DeliveryReports  # of `_producer`
        self._closing = False
        self._last_done: Acknowledge | None = None
        self._last_report: Callable[[Any, Any], None]
        """Receives the delivery report of a record that was appended with `_last_done`."""
        self._learned: dict[str, float] = {}
        """Time of the last metadata of each topic, known or asked for."""

    async def open(self) -> None:
        """Connect."""
        self._loop = asyncio.get_running_loop()
        await self._call(self._make)
        self._reports.start()
        await self.check()

    def stale(self) -> bool:
        """Return whether no broker is connected."""
        return self._health.down

    async def check(self) -> None:
        """Ask for metadata."""
        self._learn(
            await topics_of_cluster(
                lambda limit: self._call(partial(self._producer.list_topics, timeout=limit)), self._health
            )
        )

    def broken(self) -> bool:
        """Return whether a fatal error has stopped the client for good."""
        return self._health.fatal

    async def close(self) -> None:
        """Flush for a limited time, fail the remaining records, disconnect."""
        self._closing = True
        if self._producer is not None:
            self._reports.stop()
            with anyio.move_on_after(FLUSH_LIMIT + CLOSE_LIMIT):
                await self._call(self._finish)
            self._reports.pass_all()
        self._calls.shutdown(wait=False)

    async def flush(self) -> None:
        """Send all records that were appended until each has an outcome."""
        while len(self._producer):
            if self._reports.fetching and not self._settings.linger_ms:
                await self._reports.fetched()
            else:
                await self._call(partial(self._producer.flush, CHECK_LIMIT))
        while self._reports.waiting:  # noqa: ASYNC110  they are reported in bursts
            await asyncio.sleep(0)

    def retry_reason(self, topic: str) -> str:
        """Return what is wrong with advertised.listeners, if it is; else librdkafka does not say why it retries."""
        return self._health.wrong_listener()

    def knows(self, topic: str) -> bool:
        """Return whether the topic is in the client's metadata."""
        return topic in self._partitions

    def missed_at(self, topic: str) -> float | None:
        """Return the event loop's time of the last answer that did not know the topic."""
        return self._learned.get(topic)

    def append(self, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add one record to librdkafka's queue; return False when its topic is not known or the queue is full."""
        topic, value, key, headers, partition, timestamp, placed_by = record
        partitions = self._partitions.get(topic)
        if partitions is None or self._closing:
            return False
        if partition is None:
            partition = ANY_PARTITION if placed_by is None else _partition_of(placed_by, partitions)
        elif not 0 <= partition < partitions:
            if self._loop.time() - self._learned[topic] > PARTITIONS_AGE:
                return False
            raise UnknownPartition(f"topic {topic} has no partition {partition}")
        report = partial(self._received, done)
        try:  # arguments by position cost half as much as by name
            if headers or timestamp is not None:
                self._produce(topic, value, key, partition, report, None, timestamp or NOW, headers)
            else:
                self._produce(topic, value, key, partition, report)
        except BufferError:
            self._reports.room.clear()
            return False
        except self._native_error as error:
            raise translate(error.args[0], during=f"writing to topic {topic}") from error
        return True

    def append_all(self, appends: Sequence[Append]) -> int:
        """Append records up to the first one that `append` would not take, or would raise for; return their number."""
        if self._closing:
            return 0
        produce, received, partitions = self._produce, self._received, self._partitions
        count = 0
        try:
            for record, done in appends:
                topic, value, key, headers, partition, timestamp, placed_by = record
                if headers or partition is not None or timestamp is not None or placed_by is not None:
                    if not self.append(record, done):
                        break
                elif topic in partitions:
                    produce(topic, value, key, ANY_PARTITION, partial(received, done))
                else:
                    break
                count += 1
        except Exception:  # noqa: BLE001  `append` is called again with this record, and raises
            return count
        return count

    def append_bytes(self, topic: str, value: bytes | None, key: bytes | None, done: Acknowledge | None) -> bool:
        """Append a record of a key and a value alone; return False if `append` would not take it, or would raise.

        No Python object is made for the record, if `done` is that of the one before, or None.
        """
        if topic not in self._partitions or self._closing:
            return False
        if done is not self._last_done:
            self._last_done = done
            self._last_report = self._lost if done is None else partial(self._received, done)
        try:
            self._produce(topic, value, key, ANY_PARTITION, self._last_report)
        except Exception:  # noqa: BLE001  `append` is called with this record, and raises
            return False
        return True

    def collect(self) -> None:
        """Fetch delivery reports."""
        self._reports.collect()

    async def ready(self, record: OutgoingRecord) -> None:
        """Wait until the topic of a record is known, and the queue has room."""
        topic, partition = record.topic, record.partition
        while partition is not None or topic not in self._partitions:
            with translated(f"asking for topic {topic}"):
                metadata = await self._call(partial(self._producer.list_topics, topic, timeout=CHECK_LIMIT))
            self._learn(metadata)
            if topic in self._partitions:
                break
            self._learned[topic] = self._loop.time()
            error = metadata.topics[topic].error if topic in metadata.topics else None
            if error is not None and error.code() in _permanent_errors():
                raise translate(error, during=f"asking for topic {topic}")
            await asyncio.sleep(TOPIC_RETRY)
        await self._reports.room.wait()

    def _make(self) -> None:
        from confluent_kafka import KafkaException
        from confluent_kafka.cimpl import Producer

        self._native_error = KafkaException
        settings = producer_settings(self._brokers, self._settings, self._security)
        acquire_token(settings)
        with translated(f"connecting to {','.join(self._brokers)}"):
            producer: Any = Producer({**settings, **self._more_settings(), "error_cb": self._health.report})
        self._produce = producer.produce
        self._reports = DeliveryReports(
            producer,
            self._loop,
            failure=self._settings.failure,
            failed=self._health.report,
            fetched_by_loop=not any(map(callable, settings.values())),  # as one that gets a token may take its time
        )
        self._received = self._reports.received
        self._last_report = self._lost = self._reports.losses(self._settings.lost)
        self._producer = producer

    def _more_settings(self) -> dict[str, Any]:
        return {}

    def _finish(self) -> None:
        self._reports.join()
        with suppress(self._native_error):  # a fatal one: the records have failed with it
            self._producer.flush(FLUSH_LIMIT)
            self._producer.purge()
            self._producer.flush(CLOSE_LIMIT)

    def _learn(self, metadata: Any) -> None:
        for name, topic in metadata.topics.items():
            if topic.error is None and topic.partitions:
                self._partitions[name] = len(topic.partitions)
                self._learned[name] = self._loop.time()

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
