"""Reads every partition of some topics without a group, from their ends: for replies and for watching."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Self

from pywatt_kafka.aiokafka.client import require_aiokafka
from pywatt_kafka.aiokafka.security import security_settings
from pywatt_kafka.aiokafka.tail_reader import AiokafkaTailReader, Positions
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import Message, TopicPartition
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

REPLACE_AFTER = 30.0  # seconds without a response, after which the client reconnects to the configured addresses
FETCH_TIMEOUT = 1.0  # seconds
FETCH_GRACE = 0.5  # seconds
ERROR_PAUSE = 0.5  # seconds
MAX_RECORDS = 500


class TailReader:
    """Reads all partitions of its topics, from their ends at its start; an async context manager.

    It belongs to no group, so every instance reads every record. A partition or topic that appears later is read from
    its beginning. Entering it needs no live broker; after an outage it continues at its position.
    """

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        topics: Iterable[str] = (),
        *,
        client_id: str | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None:
        """`bootstrap_brokers` as for `brokers_from`; `on_status` is called on every change of `status`, in the loop.

        `security` None: the variables KAFKA_SECURITY_PROTOCOL ... describe it. Raises KafkaError if it is unusable.
        """
        self.brokers = brokers_from(bootstrap_brokers, os.environ)
        self._topics = tuple(topics)
        self.client_id = client_id_from(client_id, os.environ)
        self._positions = Positions()
        settings = security_settings(security_from(security, os.environ))
        self._connection = ClusterConnection(
            lambda: AiokafkaTailReader(self.brokers, self._topics, self.client_id, self._positions, settings),
            name=f"reader of {', '.join(self._topics)} at {','.join(self.brokers)}",
            replace_after=REPLACE_AFTER,
            on_status=on_status,
        )

    @property
    def status(self) -> ConnectionStatus:
        """The status of this reader's connection."""
        return self._connection.status

    @property
    def connected(self) -> bool:
        """True while the cluster answers."""
        return self._connection.status.state is ConnectionState.CONNECTED

    @property
    def ready(self) -> bool:
        """True once the start positions are known."""
        return self._positions.known.is_set()

    async def wait_ready(self) -> None:
        """Wait until the start positions are known: no record written afterwards is missed."""
        await self._positions.known.wait()

    async def __aenter__(self) -> Self:
        """Start connecting. Raises MissingDependency."""
        require_aiokafka()
        await self._connection.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await self._connection.__aexit__(kind, error, trace)

    async def fetch(
        self, *, timeout: float = FETCH_TIMEOUT, max_records: int = MAX_RECORDS
    ) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return the next records by partition; empty if none arrive within the timeout (seconds).

        Returns nothing while the brokers do not answer. One caller at a time.
        """
        try:
            async with asyncio.timeout(timeout + FETCH_GRACE):
                engine = await self._connection.opened()
                return await engine.fetch(timeout, max_records)
        except TimeoutError:
            return {}
        except KafkaError:
            self._connection.check_soon()
            await asyncio.sleep(ERROR_PAUSE)
            return {}

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yield the records of all partitions one by one, without end. Raises NotAuthorized."""
        while True:
            batches = await self.fetch()
            if not batches and (failure := self.status.failure) is not None:
                raise failure
            for messages in batches.values():
                for message in messages:
                    yield message
