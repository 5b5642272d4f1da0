"""Writes records to topics."""

from __future__ import annotations

import asyncio
import os
from asyncio.events import _get_running_loop
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, overload

from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.context_task import ContextTask
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.engine.settings import TRANSACTION_TIMEOUT, Acks, Compression, EngineName, ProducerSettings
from pywatt_kafka.errors import ClientClosed, InvalidRecord, KafkaError
from pywatt_kafka.libraries import require
from pywatt_kafka.producing.burst_queue import HALF
from pywatt_kafka.producing.engine_writer import EngineWriter
from pywatt_kafka.producing.ordered_sender import TURN, OrderedSender
from pywatt_kafka.producing.outcomes import awaited_outcome
from pywatt_kafka.producing.record_fields import HeadersToSend, ProducerRecord
from pywatt_kafka.producing.record_maker import RecordMaker, empty, outgoing_record
from pywatt_kafka.producing.transaction import ReadRecord, Transaction, TransactionalWriter
from pywatt_kafka.producing.waiting_records import WaitingRecord
from pywatt_kafka.records import Headers, OutgoingRecord, RecordPosition
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security
from pywatt_kafka.serde.serializers import Serializers, bytes_serializers

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    K = TypeVar("K", default=bytes | None)
    V = TypeVar("V", default=bytes | None)
else:
    from typing import TypeVar

    K, V = TypeVar("K"), TypeVar("V")

REQUEST_TIMEOUT = 10.0  # seconds
BATCH_BYTES = 128 * 1024
BUFFER_BYTES = 32 * 1024 * 1024  # of all partitions, before a send waits: as Kafka's Java client
MAX_REQUEST_BYTES = 1024 * 1024  # the broker's own default limit for a batch
LARGE = 4096  # bytes of an enqueued value that is written at once: nothing is gained by gathering such records


class Producer(Generic[K, V]):
    """Writes records; an async context manager for a single use, or connected with `connect()` until `close()`.

    Entering it needs no live broker: it connects in the background, retries, and reconnects by itself. `send` may be
    called by any number of tasks at once; their records share batches. The records of one topic are written in the
    order of the calls.

        async with Producer("localhost:9092") as producer:
            position = await producer.send("orders", b"{}", key=b"customer-7")
    """

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        client_id: str | None = None,
        serializers: Serializers[K, V] | None = None,
        acks: Acks = "all",
        idempotent: bool = True,
        linger_ms: int = 0,
        compression: Compression | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
        max_request_bytes: int = MAX_REQUEST_BYTES,
        buffer_bytes: int = BUFFER_BYTES,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        transactional_id: str | None = None,
        transaction_timeout: float = TRANSACTION_TIMEOUT,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`bootstrap_brokers` as for `brokers_from`; None: the variable `KAFKA_BROKERS`.

        `client_id` None: the variable `KAFKA_CLIENT_ID`, else `pywatt`. `serializers` turn keys and values into bytes;
        None: they are bytes. `idempotent` needs acks="all": retries inside the client write no record twice.
        `linger_ms`: milliseconds to wait for more records of a batch. `request_timeout`: seconds after which a `send`
        fails. `max_request_bytes`: limit of one record. `buffer_bytes`: limit of all records that are not acknowledged
        yet; further ones wait for room. `transactional_id`: records are written in transactions, see `transaction`; a
        second producer with the same id fences the first. `transaction_timeout`: seconds after which the brokers abort
        a transaction. `options`: librdkafka's options, for engine="rdkafka". Raises KafkaError.
        """
        self.brokers = brokers = brokers_from(bootstrap_brokers, os.environ)
        self.client_id = client_id = client_id_from(client_id, os.environ)
        self._engine: EngineName = engine
        self._maker = RecordMaker(serializers or bytes_serializers)
        self._lifecycle = Lifecycle(f"producer {client_id}")
        settings = ProducerSettings(
            client_id=client_id,
            acks=acks,
            idempotent=idempotent and acks == "all",
            linger_ms=linger_ms,
            compression=compression,
            batch_bytes=BATCH_BYTES,
            buffer_bytes=buffer_bytes,
            max_request_bytes=max_request_bytes,
            request_timeout=request_timeout,
            transactional_id=transactional_id,
            transaction_timeout=transaction_timeout,
            lost=self._count_lost,
            options=options or {},
        )
        writer = EngineWriter if transactional_id is None else TransactionalWriter
        self._writer = writer(engine, brokers, settings, security_from(security, os.environ), on_status)
        self._connection = self._writer.connection
        self._context = ContextTask(self._connection)
        self._sender = OrderedSender(self._maker, self._writer)
        self._burst = self._sender.burst
        self._add = self._sender.buffer.add
        self._write_bytes: Callable[..., bool] = self._sender.write_bytes
        self._topics = self._writer.waiting.topics
        self._is_direct = engine == "rdkafka" and transactional_id is None and serializers is None
        self._is_entered = False
        self._since_turn = 0
        self._lost: KafkaError | None = None
        """The error of the first enqueued record that failed since the last flush."""
        self._lost_count = 0

    @property
    def status(self) -> ConnectionStatus:
        """The status of this producer's connection."""
        return self._connection.status

    @property
    def connected(self) -> bool:
        """True while the cluster answers."""
        return self._connection.is_connected

    async def wait_connected(self) -> None:
        """Wait, without a limit, until the cluster answers. Raises NotAuthorized when it rejects this client."""
        self._lifecycle.check()
        await self._connection.accepted()

    async def connect(self) -> None:
        """Start connecting, as entering the context does, until `close()`; does nothing if it is connected.

        Raises MissingDependency, ClientClosed, WrongLoop.
        """
        require(self._engine)
        if self._lifecycle.begin():
            await self._context.enter()

    async def close(self) -> None:
        """Flush the remaining records, for a few seconds at most, and disconnect. May be called again.

        Raises WrongLoop.
        """
        self._lifecycle.end()
        try:
            await self._sender.finish()
            await self._connection.stop()
        finally:
            try:
                await self._context.leave()
            finally:
                self._sender.end()

    async def __aenter__(self) -> Self:
        """Start connecting. Raises MissingDependency, ClientClosed, WrongLoop."""
        require(self._engine)
        if self._lifecycle.begin():
            await self._connection.__aenter__()
            self._is_entered = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush the remaining records, for a few seconds at most, and disconnect."""
        if not self._is_entered:  # connected by `connect`
            await self.close()
            return
        self._lifecycle.end()
        try:
            if not isinstance(error, asyncio.CancelledError):
                await self._sender.finish()
        finally:
            await self._connection.__aexit__(kind, error, trace)
            self._sender.end()

    @overload
    async def send(
        self,
        topic: str,
        value: V,
        *,
        key: K | None = None,
        headers: HeadersToSend = (),
        partition: int | None = None,
        timestamp: int | None = None,
        placed_by: bytes | None = None,
    ) -> RecordPosition: ...
    @overload
    async def send(
        self, *, messages: Iterable[ProducerRecord | Mapping[str, Any]]
    ) -> list[RecordPosition | KafkaError]: ...
    async def send(
        self,
        topic: Any = None,
        value: Any = None,
        *,
        key: Any = None,
        headers: HeadersToSend = (),
        partition: int | None = None,
        timestamp: int | None = None,
        placed_by: bytes | None = None,
        messages: Iterable[ProducerRecord | Mapping[str, Any]] | None = None,
    ) -> RecordPosition | list[RecordPosition | KafkaError]:
        """Write one record and return its position, once the broker has acknowledged it.

        Without `partition`, the hash of the key chooses it, as in Kafka's own clients; without a key, it is random.
        `placed_by` is hashed instead of the key. `timestamp`: milliseconds since 1970, by default now. `messages`:
        write several records, and return a position or an error for each.

        Raises SerializationFailed or InvalidRecord at once for a wrong key, value or other field; KafkaUnavailable
        after the request timeout (NotAcknowledged if the record was sent: then it may still be written, at once or
        later), UnknownTopic, UnknownPartition, RecordTooLarge, InvalidRecord, NotAuthorized, ClientClosed, WrongLoop,
        or another KafkaError.
        """
        loop = self._lifecycle.loop
        if loop is None or _get_running_loop() is not loop:
            raise self._lifecycle.refusal()
        if messages is not None:
            return await self._sender.send_all(messages)
        outcome: asyncio.Future[RecordPosition | KafkaError] = loop.create_future()
        done = awaited_outcome(outcome)
        burst = self._burst
        burst.left = left = burst.left - 1
        if left < HALF and burst.spend(loop):
            burst.waiting.append((topic, value, key, headers, partition, timestamp, placed_by, done))
        else:
            made = self._maker.make(topic, value, key, headers, partition, timestamp, placed_by)
            if isinstance(made, OutgoingRecord):
                self._add(made, done)
            else:
                done.place = await self._sender.reserve(topic, made, done)
        try:
            result = await outcome
        except asyncio.CancelledError:
            if done.place is not None:
                self._writer.waiting.discard(done.place)
            raise
        if isinstance(result, KafkaError):
            raise result
        return result

    async def enqueue(
        self,
        topic: str,
        value: V,
        *,
        key: K | None = None,
        headers: HeadersToSend = (),
        partition: int | None = None,
        timestamp: int | None = None,
        on_delivery: Callable[[RecordPosition | KafkaError], None] | None = None,
    ) -> None:
        """Write one record, and wait only until there is room for it: `flush` waits for its acknowledgement.

        `on_delivery` is called once with its position or error; `flush` raises the errors of records without one.
        Raises SerializationFailed, InvalidRecord, ClientClosed and WrongLoop as `send` does.
        """
        loop = self._lifecycle.loop
        if loop is None or _get_running_loop() is not loop:
            raise self._lifecycle.refusal()
        if self._burst.waiting:
            await self._burst.reached()
        written = (
            self._is_direct
            and not headers
            and partition is None
            and timestamp is None
            and value.__class__ is bytes
            and (key is None or key.__class__ is bytes)
            and topic.__class__ is str
            and self._write_bytes(topic, value, key, on_delivery)
        )
        if not written:
            made = self._maker.make(topic, value, key, headers, partition, timestamp, None)
            done = self._count_lost if on_delivery is None else on_delivery
            waiting: WaitingRecord | None = None
            if not isinstance(made, OutgoingRecord):
                waiting = await self._sender.reserve(topic, made, done)
            elif self._topics or ((payload := made[1]) is not None and len(payload) > LARGE):
                waiting = self._sender.write(made, done)
            else:
                self._add(made, done)
            if waiting is not None:
                try:
                    await waiting.left()
                except asyncio.CancelledError:
                    self._writer.waiting.discard(waiting)
                    raise
                return
        self._since_turn += 1
        if self._since_turn >= TURN:
            self._since_turn = 0
            self._writer.collect()
            await asyncio.sleep(0)
            self._sender.buffer.begin_full_turn()

    async def flush(self) -> None:
        """Wait until all records that were sent or enqueued so far are acknowledged, or have failed.

        Raises the KafkaError of the first record enqueued without `on_delivery` that failed since the last flush, with
        the number of all such in a note.
        """
        self._lifecycle.check()
        await self._sender.flush()
        lost, count = self._lost, self._lost_count
        self._lost, self._lost_count = None, 0
        if lost is not None:
            lost.add_note(f"records enqueued since the last flush that failed: {count}; this is the first error")
            raise lost

    def transaction(self, batch: Iterable[ReadRecord] = ()) -> AbstractAsyncContextManager[Transaction]:
        """Write what the body sends in one transaction, and commit it at the end; abort it if the body raises.

            async with producer.transaction(batch):
                for message in batch:
                    await producer.send("totals", total(message.value))

        `batch`: records of a stream, whose offsets are committed with it. Needs a `transactional_id`. One transaction
        at a time. Raises, at the beginning or at the end: TransactionAborted, CommitFailed when a record's partition is
        another member's, NotAcknowledged when it is unknown whether the commit was carried out, Fenced, or another
        KafkaError. Except for NotAcknowledged, nothing of the transaction is visible then.
        """
        self._lifecycle.check()
        if not isinstance(self._writer, TransactionalWriter):
            raise KafkaError("this producer has no transactional_id", hint="Producer(transactional_id=...)")
        return self._writer.transaction(batch, self._sender.flush)

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
        """Write one record of bytes without waiting; `done` is called once, with the result or error of `send`.

        Costs no task and no timer, serializes nothing and does not wait for room. `done` may be called before this
        returns. Raises WrongLoop.
        """
        loop = self._lifecycle.loop
        if loop is None or _get_running_loop() is not loop:
            refusal = self._lifecycle.refusal()
            if not isinstance(refusal, ClientClosed):
                raise refusal
            done(refusal)
            return
        if (value.__class__ is not bytes and value is not None) or (key.__class__ is not bytes and key is not None):
            done(InvalidRecord(f"writing to topic {topic}: key and value must be bytes or None"))
            return
        if value is None and key is None:
            done(empty(topic))
            return
        if self._burst.waiting:
            self._burst.waiting.append((topic, value, key, headers, partition, timestamp, placed_by, done))
            return
        is_plain = not headers and partition is None and timestamp is None and placed_by is None
        if is_plain and self._is_direct and self._write_bytes(topic, value, key, done):
            return
        listed = headers if headers.__class__ is list else list(headers)
        self._add(outgoing_record((topic, value, key, listed, partition, timestamp, placed_by)), done)

    def _count_lost(self, outcome: RecordPosition | KafkaError) -> None:
        if isinstance(outcome, KafkaError):
            self._lost_count += 1
            if self._lost is None:
                self._lost = outcome
