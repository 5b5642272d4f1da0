"""The tail engine of aiokafka: reads every partition of its topics without a group."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pywatt_kafka.aiokafka.client import RETRY_BACKOFF, bootstrap_errors, own_consumers, refresh_metadata
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.records import batches_from
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer
from pywatt_kafka.aiokafka.topic_creation import without_topic_creation
from pywatt_kafka.engine.settings import METADATA_AGE
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import Message, TopicPartition

ENGINE_REQUEST_TIMEOUT = 10.0  # seconds


class Positions:
    """The position of a reader in each partition; outlives its engines."""

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = {}
        self.known = asyncio.Event()
        """Set once the ends of all partitions that exist at the start are known."""


class AiokafkaTailReader:
    """One AIOKafkaConsumer with its partitions assigned by hand."""

    def __init__(
        self,
        brokers: tuple[str, ...],
        topics: tuple[str, ...],
        client_id: str,
        positions: Positions,
        security: Mapping[str, Any],
    ) -> None:
        from aiokafka import AIOKafkaConsumer

        self._brokers = brokers
        self._topics = topics
        self._positions = positions
        self._assigned: frozenset[Any] = frozenset()
        self._last_error: KafkaError | None = None
        self._closing = False
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=",".join(brokers),
            client_id=client_id,
            group_id=None,
            request_timeout_ms=int(ENGINE_REQUEST_TIMEOUT * 1000),
            metadata_max_age_ms=METADATA_AGE,
            retry_backoff_ms=RETRY_BACKOFF,
            # an offset out of range means that the topic was deleted or its old records were
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            **security,
        )
        own_consumers.add(self._consumer)
        self._sockets = Sockets(self._consumer._client)

    async def open(self) -> None:
        """Connect and find the start positions."""
        with bootstrap_errors(self._brokers), without_topic_creation():
            await self._sockets.open(self._consumer.start())
        await self.check()

    def stale(self) -> bool:
        """Return whether no socket is connected, a topic is missing, or there was an error."""
        missing = any(self._consumer.partitions_for_topic(topic) is None for topic in self._topics)
        return missing or self._last_error is not None or not self._sockets.any_live()

    async def check(self) -> None:
        """Ask for the topics' metadata and assign new partitions."""
        error, self._last_error = self._last_error, None
        if error is not None:
            raise error
        self._consumer._client.set_topics(self._topics)
        await refresh_metadata(self._consumer._client, self._brokers)
        await self._follow()

    def broken(self) -> bool:
        """Return False: this engine has no task that could end early."""
        return False

    async def close(self) -> None:
        """Disconnect."""
        self._closing = True
        await close_consumer(self._consumer, self._sockets)

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return the records that arrive within the timeout, and advance the positions. Raises KafkaError."""
        if self._closing:
            raise KafkaUnavailable("the connection is being closed")
        try:
            with translated(f"reading {', '.join(self._topics)}"):
                found = await self._consumer.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
        except KafkaError as error:
            self._last_error = error
            self._seek(self._assigned)  # records that the call took for other partitions are lost
            raise
        batches = batches_from(found)
        for place, messages in batches.items():
            self._positions.next[place] = messages[-1].offset + 1
        return batches

    async def _follow(self) -> None:
        from aiokafka import TopicPartition as Native

        found = frozenset(
            Native(topic, number)
            for topic in self._topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        )
        new = found - self._assigned
        unknown = [place for place in new if place not in self._positions.next]
        with translated(f"finding where {', '.join(self._topics)} end"):
            if not self._positions.known.is_set():
                offsets = await self._consumer.end_offsets(unknown)
            else:
                offsets = await self._consumer.beginning_offsets(unknown)
            self._positions.next.update({TopicPartition(*place): offset for place, offset in offsets.items()})
            if new:
                self._consumer.assign(list(found))
                self._assigned = found
                self._seek(found)
        self._positions.known.set()

    def _seek(self, places: Iterable[Any]) -> None:
        for place in places:
            self._consumer.seek(place, self._positions.next[TopicPartition(*place)])
