"""Experimental: reads topics as a member of a share group (KIP-932): every record has an acknowledgement of its own."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, overload

from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.connection.context_task import ContextTask
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.consuming.decoding import DeadLetters, pass_over
from pywatt_kafka.engine.share_group import Acknowledgement, AcquiredRecord, ShareGroupEngine, ShareSettings
from pywatt_kafka.errors import CommitFailed, KafkaError, KafkaUnavailable, SerializationFailed
from pywatt_kafka.libraries import require, share_group_factory
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security
from pywatt_kafka.serde.bad_values import BadValuePolicy, OnBadValue
from pywatt_kafka.serde.conversion import from_bytes
from pywatt_kafka.serde.serializers import Deserializers
from pywatt_kafka.share_groups.shared_message import SharedMessage
from pywatt_kafka.share_groups.support import check_share_groups

MAX_RECORDS = 100
REPLACE_AFTER = 30.0  # seconds
ERROR_PAUSE = 0.5  # seconds before the next attempt to read

K = TypeVar("K")
V = TypeVar("V")
Plain = bytes | None


class ShareConsumer(Generic[K, V]):
    """A member of a share group: many members read one partition, each record is delivered to one of them.

        async with ShareConsumer("emails", topics=["orders"]) as consumer:
            async for message in consumer:
                await message.accept()

    Experimental, as is librdkafka's support. Needs Kafka 4.2 and confluent-kafka 2.16 or later. There is no order. The
    next records come when all of the last ones have an outcome; what has none when the consumer is closed is released.
    """

    @overload
    def __init__(
        self: ShareConsumer[Plain, Plain],
        group_id: str,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str],
        deserializers: None = None,
        on_bad_value: OnBadValue = "fail",
        dlq: str | None = None,
        client_id: str | None = None,
        max_records: int = MAX_RECORDS,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None: ...

    @overload
    def __init__(
        self,
        group_id: str,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str],
        deserializers: Deserializers[K, V],
        on_bad_value: OnBadValue = "fail",
        dlq: str | None = None,
        client_id: str | None = None,
        max_records: int = MAX_RECORDS,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None: ...

    def __init__(
        self,
        group_id: str,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str],
        deserializers: Deserializers[Any, Any] | None = None,
        on_bad_value: OnBadValue = "fail",
        dlq: str | None = None,
        client_id: str | None = None,
        max_records: int = MAX_RECORDS,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None:
        """`max_records`: number of records that it is given at once, about. The others as for Consumer.

        A record that cannot be deserialized is rejected with `on_bad_value` `skip`, and with `dlq` once its dead letter
        is written; with `fail` it is released, so that members which can read it may get it.
        """
        brokers = brokers_from(bootstrap_brokers, os.environ)
        settings = ShareSettings(
            group=group_id,
            topics=tuple(topics),
            client_id=client_id_from(client_id, os.environ),
            max_records=max_records,
        )
        self.brokers, self.client_id, self.group_id = brokers, settings.client_id, group_id
        self._security = security_from(security, os.environ)
        self._deserializers = deserializers
        self._policy = BadValuePolicy(on_bad_value, dlq)
        self._dead_letters = DeadLetters(
            lambda: Producer(bootstrap_brokers, client_id=settings.client_id, security=security)
        )
        self._is_supported = False
        self._lifecycle = Lifecycle(f"consumer of share group {group_id}")
        self._connection: ClusterConnection[ShareGroupEngine] = ClusterConnection(
            share_group_factory(brokers, settings, self._security),
            name=f"share group {group_id} of {','.join(brokers)}",
            replace_after=REPLACE_AFTER,
            on_status=on_status,
        )
        self._context = ContextTask(self._connection)
        self._fetched: deque[tuple[ShareGroupEngine, AcquiredRecord]] = deque()

    @property
    def status(self) -> ConnectionStatus:
        """The status of this consumer's connection."""
        return self._connection.status

    async def connect(self) -> None:
        """Join the group. Raises MissingDependency."""
        require("rdkafka")
        if self._lifecycle.begin():
            await self._context.enter()

    async def close(self) -> None:
        """Release the records without an outcome, and leave the group. Closing again does nothing."""
        if self._lifecycle.end():
            try:
                await self._context.leave()
            finally:
                await self._dead_letters.close()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[SharedMessage[K, V]]:
        """Yield the records that the group gives to this member, without end.

        Raises KafkaError when waiting does not help: the brokers know no share groups, or refuse this client; and
        SerializationFailed for a bad value.
        """
        self._lifecycle.check()
        while self._lifecycle.loop is not None:
            if not self._fetched:
                await self._fetch()
                continue
            engine, record = self._fetched.popleft()
            if engine is not self._connection.engine:
                continue
            try:
                found = await self._decode(engine, record)
            except SerializationFailed:
                raise
            except BaseException:  # that of a schema registry, or cancelled: it says nothing of the record
                self._fetched.appendleft((engine, record))
                raise
            if found is not None:
                yield found

    async def _decode(self, engine: ShareGroupEngine, record: AcquiredRecord) -> SharedMessage[K, V] | None:
        """Return the item of a record; None for one that is passed over. Raises SerializationFailed."""
        message, delivery_count = record
        topic, partition, offset, key, value, headers, timestamp = message
        fields: Any = key, value
        if self._deserializers is not None:
            try:
                fields = from_bytes(self._deserializers, message)
                if type(fields) is not tuple:
                    fields = await fields
            except SerializationFailed as error:
                place = topic, partition, offset
                if self._policy.raises:
                    engine.acknowledge(place, Acknowledgement.RELEASE)
                    raise
                await pass_over(message, error, self._policy, self._dead_letters.writer)
                engine.acknowledge(place, Acknowledgement.REJECT)
                return None
        return SharedMessage(topic, partition, offset, fields[0], fields[1], headers, timestamp, delivery_count, engine)

    async def _fetch(self) -> None:
        engine = await self._connection.accepted()
        try:
            if not self._is_supported:
                await check_share_groups(self.brokers, self._security)
                self._is_supported = True
            self._fetched.extend((engine, record) for record in await engine.fetch())
        except KafkaUnavailable:
            self._connection.check_soon()
            await asyncio.sleep(ERROR_PAUSE)
        except KafkaError as error:
            if not (error.retriable or isinstance(error, CommitFailed)):
                raise
            await asyncio.sleep(ERROR_PAUSE)
