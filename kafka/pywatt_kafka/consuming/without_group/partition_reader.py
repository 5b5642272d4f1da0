"""Reads chosen partitions from chosen offsets on, without a group: for looking at records."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.records import message_from, native
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer, complete_shielded
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.records import Message, TopicPartition
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

FETCH_TIMEOUT = 0.5  # seconds
METADATA_AGE = 5_000  # milliseconds after which new partitions are looked for


class PartitionReader:
    """Reads partitions from given offsets on; an async context manager.

    It commits nothing and belongs to no group. An offset that retention has deleted is replaced by the beginning.
    """

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None,
        starts: Mapping[TopicPartition, int],
        *,
        read_committed: bool = True,
        with_new_partitions: bool = False,
        client_id: str | None = None,
        security: Security | None = None,
    ) -> None:
        """`starts`: the offset of the first record to read, by partition. The rest: as for Producer.

        `with_new_partitions`: read partitions that the topics get later, too, from their first record on.
        """
        self._brokers = brokers_from(bootstrap_brokers, os.environ)
        self._starts = dict(starts)
        self._with_new_partitions = with_new_partitions
        self._left: set[TopicPartition] = set()
        self._settings: dict[str, Any] = {
            "client_id": client_id_from(client_id, os.environ),
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "isolation_level": "read_committed" if read_committed else "read_uncommitted",
        }
        if with_new_partitions:
            self._settings["metadata_max_age_ms"] = METADATA_AGE
        self._security = security_from(security, os.environ)
        self._consumer: Any = None

    async def __aenter__(self) -> Self:
        """Connect. Raises KafkaUnavailable, NotAuthorized or another KafkaError."""
        require_aiokafka()
        from aiokafka import AIOKafkaConsumer

        self._consumer = AIOKafkaConsumer(**self._settings, **client_settings(self._brokers, self._security))
        self._sockets = Sockets(self._consumer._client)
        try:
            with bootstrap_errors(self._brokers):
                await self._sockets.open(self._consumer.start())
            with translated("beginning to read"):
                await self._consumer._client.set_topics(sorted({place.topic for place in self._starts}))
                self._assign()
        except BaseException:
            await complete_shielded(close_consumer(self._consumer, self._sockets))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await complete_shielded(close_consumer(self._consumer, self._sockets))

    async def fetch(self, timeout: float = FETCH_TIMEOUT) -> Sequence[Message]:
        """Return the next records; none if none arrive within the timeout (seconds), or while no broker answers."""
        if self._with_new_partitions:
            await self._take_new_partitions()
        with translated("reading records"):
            batches = await self._consumer.getmany(timeout_ms=int(timeout * 1000))
        return [message_from(record) for records in batches.values() for record in records]

    async def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset of the next record to read, by partition."""
        with translated("reading records"):
            return {place: await self._consumer.position(native(place)) for place in self._starts}

    def leave(self, partition: TopicPartition) -> None:
        """Read no more of a partition."""
        self._starts.pop(partition, None)
        self._left.add(partition)
        self._consumer.pause(native(partition))

    def _assign(self) -> None:
        self._consumer.assign([native(place) for place in self._starts])
        for place, offset in self._starts.items():
            self._consumer.seek(native(place), offset)

    async def _take_new_partitions(self) -> None:
        known = self._starts.keys() | self._left
        new = [
            TopicPartition(topic, number)
            for topic in {place.topic for place in known}
            for number in self._consumer.partitions_for_topic(topic) or ()
            if TopicPartition(topic, number) not in known
        ]
        if new:
            self._starts = {**await self.positions(), **dict.fromkeys(new, 0)}
            self._assign()
