"""Writes records to topics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Literal, Self

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.connection import Connection, ConnectionState, ConnectionStatus
from pywatt_kafka.engine import (
    FOREIGN,
    METADATA_AGE,
    RETRY_BACKOFF,
    done,
    opening,
    refresh_metadata,
    require_aiokafka,
    translate,
)
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, UnknownTopic
from pywatt_kafka.records import Headers, RecordPosition
from pywatt_kafka.sockets import CLOSE_LIMIT, Sockets, finish

REQUEST_TIMEOUT = 10.0  # seconds
BATCH_BYTES = 128 * 1024  # collected per partition before a send waits
MAX_REQUEST_BYTES = 1024 * 1024  # the broker's own default limit for a batch
FLUSH_LIMIT = 3.0  # seconds for what is still to be sent when a producer is closed


class Producer:
    """Writes records; an async context manager.

    Entering it needs no live broker: it connects in the background, keeps trying, and reconnects by itself. `send`
    may be called by any number of tasks at once; their records travel in common batches.

        async with Producer("localhost:9092") as producer:
            position = await producer.send("orders", b"{}", key=b"customer-7")
    """

    def __init__(
        self,
        brokers: str | Sequence[str] | None = None,
        *,
        client_id: str = "pywatt",
        acks: Literal["all", 1, 0] = "all",
        idempotent: bool = True,
        linger_ms: int = 0,
        compression: Literal["gzip", "snappy", "lz4", "zstd"] | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None:
        """`brokers` as for `brokers_from`; None: the variable `KAFKA_BROKERS`.

        `idempotent` needs acks="all": retries inside the client write no record twice. `linger_ms`: milliseconds to
        wait for more records of a batch. `request_timeout`: seconds after which a `send` gives up. `on_status` is
        called on every change of `status`, from the event loop.
        """
        self._brokers = brokers_from(brokers, os.environ)
        self._request_timeout = request_timeout
        self._settings: dict[str, Any] = {
            "client_id": client_id,
            "acks": acks,
            "enable_idempotence": idempotent and acks == "all",
            "linger_ms": linger_ms,
            "compression_type": compression,
            "max_batch_size": BATCH_BYTES,
            "max_request_size": MAX_REQUEST_BYTES,
            "request_timeout_ms": int(request_timeout * 1000),
        }
        self._connection = Connection(
            lambda: ProducerEngine(self._brokers, self._settings),
            name=f"producer {client_id} of {','.join(self._brokers)}",
            # by then every send that the old client still holds has been given up by its caller
            replace_after=request_timeout,
            on_status=on_status,
        )

    @property
    def status(self) -> ConnectionStatus:
        """How this producer stands with its cluster."""
        return self._connection.status

    @property
    def connected(self) -> bool:
        """Whether the cluster answers."""
        return self._connection.status.state is ConnectionState.CONNECTED

    async def wait_connected(self) -> None:
        """Wait until the cluster answers, however long that takes."""
        await self._connection.connected()

    async def __aenter__(self) -> Self:
        """Start connecting. Raises MissingDependency."""
        require_aiokafka()
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is still to be sent, for a few seconds at most, and disconnect."""
        await self._connection.__aexit__(kind, error, trace)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp: int | None = None,
    ) -> RecordPosition:
        """Write one record and return where it is, once the broker has acknowledged it.

        Without `partition` the key chooses it (as Kafka's own clients do), without a key chance does. `timestamp`:
        milliseconds since 1970; now if left out. Raises KafkaUnavailable after the request timeout (if the connection
        was lost in the middle the record may have been written all the same), UnknownTopic, RecordTooLarge,
        NotAuthorized, or another KafkaError.
        """
        if value is None and key is None:
            raise KafkaError(f"topic {topic}: a record needs a value or a key")
        engine: ProducerEngine | None = None
        try:
            async with asyncio.timeout(self._request_timeout):
                engine = await self._connection.connected()
                return await engine.send(topic, value, key, headers, partition, timestamp)
        except (TimeoutError, KafkaUnavailable) as error:
            self._connection.nudge()
            if self.connected and engine is not None and not engine.knows(topic):
                raise UnknownTopic(f"topic {topic} does not exist, and the broker does not create it") from error
            why = self.status.reason or str(error) or f"no acknowledgement within {self._request_timeout:g} s"
            raise KafkaUnavailable(f"writing to topic {topic}: {why}") from error


class _Batches(set[Any]):
    """Batches on their way. aiokafka removes one twice when it is given up during the pause before its next attempt."""

    def remove(self, batch: Any) -> None:
        """Remove a batch, if it is there."""
        self.discard(batch)


class ProducerEngine:
    """One AIOKafkaProducer."""

    def __init__(self, brokers: tuple[str, ...], settings: dict[str, Any]) -> None:
        from aiokafka import AIOKafkaProducer

        self._brokers = brokers
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=",".join(brokers),
            metadata_max_age_ms=METADATA_AGE,
            retry_backoff_ms=RETRY_BACKOFF,
            **settings,
        )
        self._producer._message_accumulator._pending_batches = _Batches()
        self._sockets = Sockets(self._producer.client)

    async def open(self) -> None:
        """Connect and get a producer id."""
        with opening(self._brokers):
            await self._sockets.open(self._producer.start())

    def stale(self) -> bool:
        """No socket is up."""
        return not self._sockets.any_live()

    async def check(self) -> None:
        """Ask for metadata."""
        await refresh_metadata(self._producer.client, self._brokers)

    def broken(self) -> bool:
        """The task that sends has ended, as it does when the broker has lost this producer's sequence."""
        return done(self._producer._sender.sender_task)

    async def close(self) -> None:
        """Flush for a while, fail what is left, disconnect."""
        from aiokafka.errors import KafkaTimeoutError

        await self._sockets.settle()
        await finish(self._producer.flush(), FLUSH_LIMIT)
        self._producer._message_accumulator.fail_all(KafkaTimeoutError("the producer was closed"))
        await finish(self._producer.stop(), CLOSE_LIMIT)
        await self._sockets.close()

    def knows(self, topic: str) -> bool:
        """Whether the topic is in the client's metadata."""
        return self._producer.client.cluster.partitions_for_topic(topic) is not None

    async def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        headers: Headers,
        partition: int | None,
        timestamp: int | None,
    ) -> RecordPosition:
        """Put one record into its batch and wait for the acknowledgement."""
        try:  # not `translated`: this is the path that has to be fast
            delivery = await self._producer.send(
                topic, value, key=key, partition=partition, timestamp_ms=timestamp, headers=headers
            )
            record = await delivery
        except FOREIGN as error:
            raise translate(error, during=f"writing to topic {topic}") from error
        if record is None:  # acks=0: nobody knows
            return RecordPosition(topic, -1, -1)
        return RecordPosition(topic, record.partition, record.offset)
