"""Writes records to topics."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Self

from pywatt_kafka.aiokafka.errors import translate
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.engine.settings import Acks, Compression, EngineName, ProducerSettings
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, NotAcknowledged
from pywatt_kafka.libraries import producer_factory, require
from pywatt_kafka.producing.waiting_records import WaitingRecords
from pywatt_kafka.records import Headers, OutgoingRecord, RecordPosition
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

REQUEST_TIMEOUT = 10.0  # seconds
BATCH_BYTES = 128 * 1024
BUFFER_BYTES = 32 * 1024 * 1024  # of all partitions, before a send waits: as Kafka's Java client
MAY_BE_WRITTEN = "the record may be written all the same"
MAX_REQUEST_BYTES = 1024 * 1024  # the broker's own default limit for a batch


class Producer:
    """Writes records; an async context manager for a single use.

    Entering it needs no live broker: it connects in the background, retries, and reconnects by itself. `send` may be
    called by any number of tasks at once; their records share batches.

        async with Producer("localhost:9092") as producer:
            position = await producer.send("orders", b"{}", key=b"customer-7")
    """

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        client_id: str | None = None,
        acks: Acks = "all",
        idempotent: bool = True,
        linger_ms: int = 0,
        compression: Compression | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
    ) -> None:
        """`bootstrap_brokers` as for `brokers_from`; None: the variable `KAFKA_BROKERS`.

        `client_id` None: the variable `KAFKA_CLIENT_ID`, else `pywatt`. `idempotent` needs acks="all": retries inside
        the client write no record twice. `linger_ms`: milliseconds to wait for more records of a batch.
        `request_timeout`: seconds after which a `send` fails. `max_request_bytes`: limit of one request.
        """
        self._brokers = brokers_from(bootstrap_brokers, os.environ)
        self._request_timeout = request_timeout
        client_id = client_id_from(client_id, os.environ)
        settings = ProducerSettings(
            client_id=client_id,
            acks=acks,
            idempotent=idempotent and acks == "all",
            linger_ms=linger_ms,
            compression=compression,
            batch_bytes=BATCH_BYTES,
            buffer_bytes=BUFFER_BYTES,
            max_request_bytes=max_request_bytes,
            request_timeout=request_timeout,
            failure=partial(self._failure, sent=True),
        )
        self._engine: EngineName = engine
        self._connection = ClusterConnection(
            producer_factory(engine, self._brokers, settings, security_from(security, os.environ)),
            name=f"producer {client_id} of {','.join(self._brokers)}",
            # by then every send of the old client has timed out
            replace_after=request_timeout,
            on_status=on_status,
        )
        self._waiting = WaitingRecords(self._connection, request_timeout, failure=self._failure)
        self._closed = False

    @property
    def status(self) -> ConnectionStatus:
        """The status of this producer's connection."""
        return self._connection.status

    @property
    def connected(self) -> bool:
        """True while the cluster answers."""
        return self._connection.is_connected

    async def wait_connected(self) -> None:
        """Wait, without a limit, until the cluster answers."""
        await self._connection.connected()

    async def __aenter__(self) -> Self:
        """Start connecting. Raises MissingDependency."""
        require(self._engine)
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush the remaining records, for a few seconds at most, and disconnect."""
        self._closed = True
        try:
            await self._connection.__aexit__(kind, error, trace)
        finally:
            self._waiting.close()

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp: int | None = None,
        placed_by: bytes | None = None,
    ) -> RecordPosition:
        """Write one record and return its position, once the broker has acknowledged it.

        Without `partition`, the hash of the key chooses it, as in Kafka's own clients; without a key, it is random.
        `placed_by` is hashed instead of the key. `timestamp`: milliseconds since 1970, by default now. Raises
        KafkaUnavailable after the request timeout (NotAcknowledged if the record was sent: then it may still be
        written, at once or later), UnknownTopic, UnknownPartition, RecordTooLarge, InvalidRecord, NotAuthorized, or
        another KafkaError.
        """
        outcome: asyncio.Future[RecordPosition | KafkaError] = asyncio.get_running_loop().create_future()

        def done(result: RecordPosition | KafkaError) -> None:
            if not outcome.done():
                outcome.set_result(result)

        self.post(
            topic, value, done, key=key, headers=headers, partition=partition, timestamp=timestamp, placed_by=placed_by
        )
        result = await outcome
        if isinstance(result, KafkaError):
            raise result
        return result

    def post(
        self,
        topic: str,
        value: bytes | None,
        done: Callable[[RecordPosition | KafkaError], None],
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
        timestamp: int | None = None,
        placed_by: bytes | None = None,
    ) -> None:
        """Write one record without waiting; `done` is called once, with the result or error of `send`.

        Costs no task and no timer. `done` may be called before this returns.
        """
        if value is None and key is None:
            done(KafkaError(f"topic {topic}: a record needs a value or a key"))
            return
        if self._closed:
            done(KafkaUnavailable(f"writing to topic {topic}: the producer is closed"))
            return
        listed = headers if isinstance(headers, list) else list(headers)
        record = OutgoingRecord(topic, value, key, listed, partition, timestamp, placed_by)
        engine = self._connection.engine
        if engine is not None and topic not in self._waiting and self.connected:
            try:
                if engine.append(record, done):
                    return
            except KafkaError as error:
                done(self._failure(topic, error, sent=False))
                return
        self._waiting.add(record, done)

    def _failure(self, topic: str, error: BaseException, *, sent: bool) -> KafkaError:
        """Return the KafkaError for a record that failed; `sent`: it may be in flight."""
        if isinstance(error, TimeoutError):
            reason = f"writing to topic {topic}: no acknowledgement within {self._request_timeout:g} s"
            engine = self._connection.engine
            if engine is not None and (retry_reason := engine.retry_reason(topic)):
                reason += f" ({retry_reason})"
        else:
            translated = translate(error, during=f"writing to topic {topic}")
            if not isinstance(translated, KafkaUnavailable):
                if translated is not error:
                    translated.__cause__ = error
                return translated
            reason = translated.message
        self._connection.check_soon()
        away = self.status.reason
        reason = f"writing to topic {topic}: {away}" if away else reason
        failure = NotAcknowledged(f"{reason}; {MAY_BE_WRITTEN}") if sent else KafkaUnavailable(reason)
        failure.__cause__ = error
        return failure
