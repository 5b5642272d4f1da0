"""The producer engine of librdkafka: a thread of its own receives acknowledgements and passes them on in batches."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import anyio

from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.engine.settings import FLUSH_LIMIT, ProducerSettings
from pywatt_kafka.errors import UnknownPartition
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.settings.client import CHECK_LIMIT
from pywatt_kafka.rdkafka.settings.producer import producer_settings
from pywatt_kafka.records import OutgoingRecord, RecordPosition
from pywatt_kafka.security.options import Security

CLOSE_LIMIT = 3.0  # seconds
POLL_INTERVAL = 0.2  # seconds between checks of the thread whether to end
TOPIC_RETRY = 0.1  # seconds between requests for a topic that does not exist yet
CALLS = 4  # threads for requests to the brokers


BURST = 1000  # outcomes reported before the event loop gets a turn
PARTITIONS_AGE = 1.0  # seconds for which a number of partitions is taken for the current one
ANY_PARTITION = -1  # the partitioner chooses
UNKNOWN_OFFSET = -1  # with acks=0, and of a batch that a retry found written already

_position = partial(tuple.__new__, RecordPosition)
"""Makes a RecordPosition without the call into Python that its constructor is."""


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
        self._learned: dict[str, float] = {}
        """Time of the last metadata of each known topic."""
        self._failure = settings.failure
        self._outcomes: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._woken = False
        self._room = asyncio.Event()
        self._room.set()

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
        while self._outcomes:
            self._settle()

    async def flush(self) -> None:
        """Send all records that were appended until each has an outcome."""
        while len(self._producer):
            await self._call(partial(self._producer.flush, CHECK_LIMIT))
        while self._outcomes:  # noqa: ASYNC110  they are reported in bursts
            await asyncio.sleep(0)

    def retry_reason(self, topic: str) -> str:
        """Return what is wrong with advertised.listeners, if it is; else librdkafka does not say why it retries."""
        return self._health.wrong_listener()

    def knows(self, topic: str) -> bool:
        """Return whether the topic is in the client's metadata."""
        return topic in self._partitions

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
        try:
            if headers or timestamp is not None:
                more = {} if timestamp is None else {"timestamp": timestamp}
                self._produce(topic, value, key, partition, partial(self._delivered, done), headers=headers, **more)
            else:  # arguments by position cost half as much
                self._produce(topic, value, key, partition, partial(self._delivered, done))
        except BufferError:
            self._room.clear()
            return False
        except self._native_error as error:
            raise translate(error.args[0], during=f"writing to topic {topic}") from error
        return True

    async def ready(self, record: OutgoingRecord) -> None:
        """Wait until the topic of a record is known, and the queue has room."""
        topic, partition = record.topic, record.partition
        while partition is not None or topic not in self._partitions:
            with translated(f"asking for topic {topic}"):
                metadata = await self._call(partial(self._producer.list_topics, topic, timeout=CHECK_LIMIT))
            self._learn(metadata)
            if topic in self._partitions:
                break
            error = metadata.topics[topic].error if topic in metadata.topics else None
            if error is not None and error.code() in _permanent_errors():
                raise translate(error, during=f"asking for topic {topic}")
            await asyncio.sleep(TOPIC_RETRY)
        await self._room.wait()

    def _make(self) -> None:
        from confluent_kafka import KafkaException, Producer

        self._native_error = KafkaException
        settings = producer_settings(self._brokers, self._settings, self._security)
        with translated(f"connecting to {','.join(self._brokers)}"):
            self._producer = Producer({**settings, **self._more_settings(), "error_cb": self._health.report})
        self._produce = self._producer.produce

    def _more_settings(self) -> dict[str, Any]:
        return {}

    def _listen(self) -> None:
        while not self._closing:
            try:
                self._producer.poll(POLL_INTERVAL)
            except self._native_error as error:  # a fatal one
                self._health.report(error.args[0])

    def _delivered(self, done: Acknowledge, error: Any, message: Any) -> None:
        """Receive an acknowledgement; called in the thread that polls."""
        if error is None:
            offset = message.offset()
            position = _position((message.topic(), message.partition(), UNKNOWN_OFFSET if offset is None else offset))
            self._outcomes.append((done, position))
        else:
            self._outcomes.append((partial(self._fail, done, message.topic()), error))
        if not self._woken:
            self._woken = True
            self._loop.call_soon_threadsafe(self._settle)

    def _fail(self, done: Acknowledge, topic: str, error: Any) -> None:
        """Report an error; called in the event loop."""
        if error.code() == error._MSG_TIMED_OUT:
            done(self._failure(topic, TimeoutError()))
        else:
            done(self._failure(topic, translate(error, during=f"writing to topic {topic}")))

    def _settle(self) -> None:
        """Report a burst of outcomes; called in the event loop."""
        self._woken = False
        outcomes = self._outcomes
        try:
            for _ in range(min(BURST, len(outcomes))):
                done, outcome = outcomes.popleft()
                done(outcome)
        finally:
            self._room.set()
            if outcomes and not self._woken:
                self._woken = True
                self._loop.call_soon(self._settle)

    def _finish(self) -> None:
        if self._listener is not None:
            self._listener.join()
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
