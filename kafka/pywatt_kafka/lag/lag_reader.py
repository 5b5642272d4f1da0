"""Measures the lag of consumer groups with one client that stays open."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

from pywatt_kafka.admin.connection import NoSuchRequest
from pywatt_kafka.admin.groups import GroupDescription, GroupOperations, ShareOffset
from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, own_consumers, require_aiokafka
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.records import native
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer, complete_shielded
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.errors import KafkaUnavailable
from pywatt_kafka.lag.first_record import FETCH_SETTINGS, FirstRecords
from pywatt_kafka.lag.group_lag import GroupLag, PartitionLag
from pywatt_kafka.records import TopicPartition
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

LIMIT = 10.0  # seconds
RETRY_INTERVAL = 0.1  # seconds

ResultT = TypeVar("ResultT")


class LagReader:
    """Measures the lag of groups of one cluster, without joining them; an async context manager.

    It connects with the first measurement, stays connected, and connects again after one that failed. One measurement
    at a time; others wait.
    """

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        timeout: float = LIMIT,
        security: Security | None = None,
    ) -> None:
        """`timeout`: seconds that one measurement may take. `security` None: as described by the variables
        KAFKA_SECURITY_PROTOCOL ... Raises KafkaError when it cannot be used, and MissingDependency.
        """
        require_aiokafka()
        self._brokers = brokers_from(bootstrap_brokers, os.environ)
        self._timeout = timeout
        self._security = security_from(security, os.environ)
        self._settings: dict[str, Any] = {
            "request_timeout_ms": int(timeout * 1000),
            **FETCH_SETTINGS,
            **client_settings(self._brokers, self._security),
        }
        self._consumer: Any = None
        self._groups: GroupOperations
        self._first_records: dict[str, FirstRecords] = {}
        """By group, kept from measurement to measurement: a record that still has to be processed is read once."""
        self._lock = anyio.Lock()

    async def __aenter__(self) -> Self:
        """Return itself: it connects later."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect."""
        await complete_shielded(self._close())

    async def measure(self, group: str, topics: Iterable[str] | None = None) -> GroupLag:
        """Return the lag of a group.

        `topics` None: all topics with an offset that the group committed. Of a named topic every partition counts; one
        without a committed offset lags by all its records. A topic that does not exist is left out. Raises
        KafkaUnavailable or another KafkaError within the timeout.
        """
        async with self._lock:
            try:
                with anyio.fail_after(self._timeout):
                    return await self._measure(group, None if topics is None else frozenset(topics))
            except TimeoutError as error:
                await complete_shielded(self._close())
                raise KafkaUnavailable(
                    f"the lag of group {group} could not be measured at {','.join(self._brokers)}"
                    f" within {self._timeout:g} s"
                ) from error
            except BaseException:
                await complete_shielded(self._close())
                raise

    async def _measure(self, group: str, topics: frozenset[str] | None) -> GroupLag:
        deadline = time.monotonic() + self._timeout / 2
        consumer = await self._opened()
        with translated(f"finding the topics of group {group}"):
            existing = await _existing_partitions(consumer._client)
        members: int | None = None
        description: GroupDescription | None = None
        with suppress(NoSuchRequest):  # the embedded broker
            description = await self._groups.find_group(group)
            members = 0 if description is None else len(description.members)
        offsets: Mapping[TopicPartition, int]
        shared: Mapping[TopicPartition, ShareOffset] = {}
        if description is not None and description.type == "share":
            shared = await self._groups.list_share_group_offsets(group)
            offsets = {place: each.start for place, each in shared.items() if topics is None or place.topic in topics}
        else:
            offsets = await self._offsets(group, None if topics is None else topics & existing.keys())
        known = description is not None or any(offset >= 0 for offset in offsets.values())
        with translated(f"measuring the lag of group {group}"):
            places = [place for place in sorted(offsets) if place.partition in existing.get(place.topic, ())]
            natives = [native(place) for place in places]
            ends = _by_place(await consumer.end_offsets(natives))
            starts = _by_place(await consumer.beginning_offsets(natives))
            # a recreated topic may be shorter than the offset committed for the old one
            begins = {place: min(max(offsets[place], starts[place]), ends[place]) for place in places}
            first = self._first_records.setdefault(group, FirstRecords())
            await first.find(consumer, begins, ends, deadline)
        return GroupLag(
            group=group,
            known=known,
            members=members,
            partitions={
                place: PartitionLag(
                    committed=offsets[place] if offsets[place] >= 0 else None,
                    position=min(first.position(place, begins[place]), ends[place]),
                    end=ends[place],
                    timestamp=first.timestamp(place),
                    counted=shared[place].lag if place in shared else None,
                )
                for place in places
            },
        )

    async def _offsets(self, group: str, topics: Collection[str] | None) -> Mapping[TopicPartition, int]:
        """Return committed offsets, -1 for a partition of a named topic that has none."""
        if topics is not None and not topics:
            return {}
        found = await self._groups.list_group_offsets(group, topics)
        return {place: -1 if offset is None else offset for place, offset in found.items()}

    async def _opened(self) -> Any:
        if self._consumer is None:
            from aiokafka import AIOKafkaConsumer

            consumer: Any = AIOKafkaConsumer(**self._settings)
            own_consumers.add(consumer)
            self._sockets = Sockets(consumer._client)
            self._consumer = consumer
            with bootstrap_errors(self._brokers):
                await self._sockets.open(consumer.start())
            self._groups = GroupOperations(self._brokers, security=self._security, timeout=self._timeout).use(
                consumer._client
            )
        return self._consumer

    async def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await close_consumer(consumer, self._sockets)


async def consumer_lag(
    bootstrap_brokers: str | Sequence[str] | None,
    group: str,
    topics: Iterable[str] | None = None,
    *,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> Mapping[str, Mapping[int, int]]:
    """Return, per topic and partition, how many records the group has yet to process, as `LagReader.measure` does.

    `timeout`: seconds. `security`: as for Producer. Raises KafkaUnavailable or another KafkaError within the timeout.
    """
    async with LagReader(bootstrap_brokers, timeout=timeout, security=security) as reader:
        return (await reader.measure(group, topics)).records()


def _by_place(found: Mapping[Any, int]) -> dict[TopicPartition, int]:
    return {TopicPartition(*place): offset for place, offset in found.items()}


async def _existing_partitions(client: Any) -> Mapping[str, frozenset[int]]:
    """Return the partitions of all topics, without creating any. Raises aiokafka's errors."""
    cluster = await client.fetch_all_metadata()
    return {topic: frozenset(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}
