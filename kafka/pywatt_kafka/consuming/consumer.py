"""Reads topics as a member of a consumer group: the consumer of application code."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from pywatt_kafka.connection.group_id import group_id_from
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.consuming.assignment_listener import AssignmentListener
from pywatt_kafka.consuming.decoding import DeadLetters, Decoder
from pywatt_kafka.consuming.group_reader import REQUEST_TIMEOUT, GroupReader
from pywatt_kafka.consuming.start_positions import Fallback, Mode
from pywatt_kafka.consuming.stream import ConsumerStream, records_of
from pywatt_kafka.consuming.stream_message import StreamMessage
from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.engine.membership import REBALANCE_TIMEOUT, SESSION_TIMEOUT, GroupProtocol, Membership
from pywatt_kafka.engine.settings import EngineName
from pywatt_kafka.engine.topic_names import check_topic_name
from pywatt_kafka.errors import ClientClosed, KafkaError
from pywatt_kafka.libraries import require
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.security.options import Security
from pywatt_kafka.serde.bad_values import BadValuePolicy, OnBadValue
from pywatt_kafka.serde.serializers import Deserializers

REBALANCE_MARGIN = 10.0  # seconds beyond the rebalance timeout that a commit waits for a rebalance

K = TypeVar("K")
V = TypeVar("V")
Plain = bytes | None


class Consumer(Generic[K, V]):
    """Reads topics as a member of a group; an async context manager, and an async iterator over `topics`.

        async with Consumer(group_id="billing", topics=["orders"]) as consumer:
            async for message in consumer:
                print(message.value)
                await message.commit()

    Or with `connect`, `consume` and `close`, when the topics are known later:

        consumer = Consumer(group_id="billing", deserializers=string_deserializers)
        await consumer.connect()
        stream = await consumer.consume(topics=["orders"])

    It needs no live broker to begin: it connects in the background, keeps trying, and reconnects by itself.
    """

    @overload
    def __init__(
        self: Consumer[Plain, Plain],
        group_id: str | None = None,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str] = (),
        deserializers: None = None,
        on_bad_value: OnBadValue = "fail",
        dlq: str | None = None,
        client_id: str | None = None,
        instance_id: str | None = None,
        session_timeout: float = SESSION_TIMEOUT,
        rebalance_timeout: float = REBALANCE_TIMEOUT,
        request_timeout: float = REQUEST_TIMEOUT,
        fetching: Fetching | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        protocol: GroupProtocol = "classic",
        options: Mapping[str, Any] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        group_id: str | None = None,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str] = (),
        deserializers: Deserializers[K, V],
        on_bad_value: OnBadValue = "fail",
        dlq: str | None = None,
        client_id: str | None = None,
        instance_id: str | None = None,
        session_timeout: float = SESSION_TIMEOUT,
        rebalance_timeout: float = REBALANCE_TIMEOUT,
        request_timeout: float = REQUEST_TIMEOUT,
        fetching: Fetching | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        protocol: GroupProtocol = "classic",
        options: Mapping[str, Any] | None = None,
    ) -> None: ...

    def __init__(
        self,
        group_id: str | None = None,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str] = (),
        deserializers: Deserializers[Any, Any] | None = None,
        on_bad_value: OnBadValue = "fail",
        dlq: str | None = None,
        client_id: str | None = None,
        instance_id: str | None = None,
        session_timeout: float = SESSION_TIMEOUT,
        rebalance_timeout: float = REBALANCE_TIMEOUT,
        request_timeout: float = REQUEST_TIMEOUT,
        fetching: Fetching | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        protocol: GroupProtocol = "classic",
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """`group_id` None: the variable KAFKA_GROUP_ID; `bootstrap_brokers` None: KAFKA_BROKERS; `client_id` None:
        KAFKA_CLIENT_ID, else `pywatt`; `security` None: KAFKA_SECURITY_PROTOCOL ... describe it.

        `topics`: consumed when the consumer itself is iterated. `deserializers` None: keys and values are bytes.
        `on_bad_value`: what becomes of records that cannot be deserialized; `dlq`: the topic of their dead letters, by
        default their own topic with `-dlq`. `instance_id`: of a static member, used by one consumer at a time.
        Durations are seconds. `on_status` is called on every change of the connection's status. `protocol`: as in
        Membership. `options`: librdkafka's options, for engine="rdkafka". Raises KafkaError.
        """
        self._group_id = group_id_from(group_id, os.environ)
        self._topics = tuple(topics)
        for topic in self._topics:
            check_topic_name(topic)
        self._deserializers = deserializers
        self._policy = BadValuePolicy(on_bad_value, dlq)
        self._membership = Membership(
            group=self._group_id,
            instance_id=instance_id,
            session_timeout=session_timeout,
            rebalance_timeout=rebalance_timeout,
            protocol=protocol,
        )
        self._client: dict[str, Any] = {
            "bootstrap_brokers": bootstrap_brokers,
            "client_id": client_id,
            "security": security,
            "engine": engine,
            "options": options,
        }
        self._reading: dict[str, Any] = {
            "request_timeout": request_timeout,
            "fetching": fetching,
            "on_status": on_status,
        }
        self._engine: EngineName = engine
        self._lifecycle = Lifecycle(f"consumer of {self._group_id}")
        self._stream: ConsumerStream[K, V] | None = None
        self._dead_letters = DeadLetters(lambda: Producer(**self._client))
        self._reader((), "committed", "earliest", None)  # so that a setting that cannot be used is reported now

    @property
    def group_id(self) -> str:
        """The name of the group."""
        return self._group_id

    @property
    def stream(self) -> ConsumerStream[K, V]:
        """The stream that is open. Raises ClientClosed."""
        if self._stream is None:
            raise ClientClosed("nothing is consumed yet", hint="call `consume(topics=[...])` first")
        return self._stream

    async def connect(self) -> None:
        """Prepare for `consume`; connecting itself goes on in the background. Doing it again does nothing.

        Raises MissingDependency, and ClientClosed for a consumer that was closed.
        """
        require(self._engine)
        self._lifecycle.begin()

    async def close(self) -> None:
        """Close the stream and leave the group. Closing again does nothing."""
        self._lifecycle.end()
        stream, self._stream = self._stream, None
        try:
            if stream is not None:
                await stream.close()
        finally:
            await self._dead_letters.close()

    async def __aenter__(self) -> Self:
        """Do as `connect`."""
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do as `close`."""
        await self.close()

    async def consume(
        self,
        topics: Iterable[str] | None = None,
        *,
        mode: Mode = "committed",
        fallback: Fallback = "earliest",
    ) -> ConsumerStream[K, V]:
        """Join the group and return the stream of its records; there is one at a time.

        `mode`: `committed` continues where the group has committed; `earliest` and `latest` begin at the first or after
        the last record, in the first assignment of this stream. `fallback`: where a partition begins for which nothing
        is committed, or nothing that is still there: `fail` makes the iteration raise OffsetOutOfRange. With `latest`,
        a partition that has appeared since the group began is read from its first record.

        Nothing is committed but by `message.commit()`, by `batch.commit()` and by `process`: what a crash interrupts is
        read again. (The original commits before the handler has run.)

        Raises UnknownTopic for a name that no topic can have, and KafkaError while another stream is open.
        """
        self._lifecycle.check()
        if self._stream is not None and self._stream.is_open:
            raise KafkaError("this consumer has a stream already", hint="close it first, or make another consumer")
        wanted = self._topics if topics is None else tuple(topics)
        for topic in wanted:
            check_topic_name(topic)
        if not wanted:
            raise KafkaError("no topics to consume", hint="give `topics` to consume() or to the Consumer")
        stream = self._stream = ConsumerStream(
            partial(self._reader, wanted, mode, fallback),
            Decoder(self._deserializers, self._policy, self._dead_letters.writer),
            mode=mode,
            fallback=fallback,
            rebalance_limit=self._membership.rebalance_timeout + REBALANCE_MARGIN,
        )
        await stream.open()
        return stream

    def __aiter__(self) -> AsyncIterator[StreamMessage[K, V]]:
        """Yield the records of `topics` one by one; `consume` is called if it was not. Raises as the stream does."""
        return records_of(self._opened())

    async def _opened(self) -> ConsumerStream[K, V]:
        if self._stream is None or not self._stream.is_open:
            return await self.consume()
        return self._stream

    def _reader(
        self, topics: Iterable[str], mode: Mode, fallback: Fallback, listener: AssignmentListener | None
    ) -> GroupReader:
        return GroupReader(
            membership=self._membership,
            topics=topics,
            fallback=fallback,
            find_overlooked=mode == "committed" and fallback == "latest",
            listener=listener,
            **self._client,
            **self._reading,
        )
