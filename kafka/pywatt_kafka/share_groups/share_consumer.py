"""Experimental: reads topics as a member of a share group (KIP-932): every record has an acknowledgement of its own."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.connection.context_task import ContextTask
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.engine.share_group import Acknowledgement, AcquiredRecord, ShareGroupEngine, ShareSettings
from pywatt_kafka.errors import CommitFailed, KafkaError, KafkaUnavailable
from pywatt_kafka.libraries import require, share_group_factory
from pywatt_kafka.records import Headers
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security
from pywatt_kafka.share_groups.support import check_share_groups

MAX_RECORDS = 100
REPLACE_AFTER = 30.0  # seconds
ERROR_PAUSE = 0.5  # seconds before the next attempt to read


@dataclass(frozen=True, slots=True)
class SharedMessage:
    """A record that this consumer holds: call `accept`, `release` or `reject` before its lock expires (30 s).

    Each raises CommitFailed when another member holds it by now, and KafkaUnavailable when no broker answers.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    """Milliseconds since 1970 (UTC); -1: the record has none."""
    delivery_count: int
    """1 the first time that the record is delivered."""
    _engine: ShareGroupEngine

    async def accept(self) -> None:
        """Report that it is done: it is not delivered again."""
        await self.acknowledge(Acknowledgement.ACCEPT)

    async def release(self) -> None:
        """Give it back: it is delivered again, to any member, at most five times in all (a setting of the group)."""
        await self.acknowledge(Acknowledgement.RELEASE)

    async def reject(self) -> None:
        """Drop it: it is never delivered again."""
        await self.acknowledge(Acknowledgement.REJECT)

    async def acknowledge(self, outcome: Acknowledgement) -> None:
        """Report its outcome, and wait for the broker's answer."""
        await self.acknowledge_soon(outcome)

    def acknowledge_soon(self, outcome: Acknowledgement) -> asyncio.Future[None]:
        """Report its outcome without waiting; return a future of the broker's answer, which need not be awaited."""
        return self._engine.acknowledge((self.topic, self.partition, self.offset), outcome)


class ShareConsumer:
    """A member of a share group: many members read one partition, each record is delivered to one of them.

        async with ShareConsumer("emails", topics=["orders"]) as consumer:
            async for message in consumer:
                await message.accept()

    Experimental, as is librdkafka's support. Needs Kafka 4.2 and confluent-kafka 2.16 or later. There is no order. The
    next records come when all of the last ones have an outcome; what has none when the consumer is closed is released.
    """

    def __init__(
        self,
        group_id: str,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str],
        client_id: str | None = None,
        max_records: int = MAX_RECORDS,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None:
        """`max_records`: number of records that it is given at once, about. The others as for Consumer."""
        brokers = brokers_from(bootstrap_brokers, os.environ)
        settings = ShareSettings(
            group=group_id,
            topics=tuple(topics),
            client_id=client_id_from(client_id, os.environ),
            max_records=max_records,
        )
        self._brokers = brokers
        self._security = security_from(security, os.environ)
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
            await self._context.leave()

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[SharedMessage]:
        """Yield the records that the group gives to this member, without end.

        Raises KafkaError when waiting does not help: the brokers know no share groups, or refuse this client.
        """
        self._lifecycle.check()
        while self._lifecycle.loop is not None:
            if not self._fetched:
                await self._fetch()
                continue
            engine, (message, delivery_count) = self._fetched.popleft()
            if engine is self._connection.engine:
                yield SharedMessage(*message, delivery_count, engine)

    async def _fetch(self) -> None:
        engine = await self._connection.accepted()
        try:
            if not self._is_supported:
                await check_share_groups(self._brokers, self._security)
                self._is_supported = True
            self._fetched.extend((engine, record) for record in await engine.fetch())
        except KafkaUnavailable:
            self._connection.check_soon()
            await asyncio.sleep(ERROR_PAUSE)
        except KafkaError as error:
            if not (error.retriable or isinstance(error, CommitFailed)):
                raise
            await asyncio.sleep(ERROR_PAUSE)
