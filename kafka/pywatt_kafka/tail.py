"""Reads every partition of some topics without a group, from their ends on: for replies and for watching."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.connection import Connection, ConnectionState, ConnectionStatus
from pywatt_kafka.engine import (
    METADATA_AGE,
    RETRY_BACKOFF,
    batches_from,
    opening,
    refresh_metadata,
    require_aiokafka,
    translated,
)
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import Message, TopicPartition
from pywatt_kafka.security import Security, security_from
from pywatt_kafka.sockets import Sockets, close_consumer

REPLACE_AFTER = 30.0  # seconds without an answer: then the configured addresses are tried afresh
ENGINE_REQUEST_TIMEOUT = 10.0  # seconds
FETCH_TIMEOUT = 1.0  # seconds
FETCH_GRACE = 0.5  # seconds
ERROR_PAUSE = 0.5  # seconds
MAX_RECORDS = 500


class TailReader:
    """Reads all partitions of its topics from where they ended when it started; an async context manager.

    It belongs to no group, so every instance sees every record. A partition or topic that appears later is read from
    its beginning. Entering it needs no live broker; after an outage it goes on where it was.
    """

    def __init__(
        self,
        brokers: str | Sequence[str] | None = None,
        topics: Iterable[str] = (),
        *,
        client_id: str = "pywatt",
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
    ) -> None:
        """`brokers` as for `brokers_from`. `on_status` is called on every change of `status`, from the event loop.

        `security` None: what the variables KAFKA_SECURITY_PROTOCOL ... say. Raises KafkaError when it cannot be used.
        """
        self._brokers = brokers_from(brokers, os.environ)
        self._topics = tuple(topics)
        self._positions = Positions()
        settings = security_from(security, os.environ).settings()
        self._connection = Connection(
            lambda: TailEngine(self._brokers, self._topics, client_id, self._positions, settings),
            name=f"reader of {', '.join(self._topics)} at {','.join(self._brokers)}",
            replace_after=REPLACE_AFTER,
            on_status=on_status,
        )

    @property
    def status(self) -> ConnectionStatus:
        """How this reader stands with its cluster."""
        return self._connection.status

    @property
    def connected(self) -> bool:
        """Whether the cluster answers."""
        return self._connection.status.state is ConnectionState.CONNECTED

    @property
    def ready(self) -> bool:
        """Whether the place to start from is known."""
        return self._positions.known.is_set()

    async def wait_ready(self) -> None:
        """Wait until the place to start from is known: a record written from now on is not missed."""
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
        """Return the next records by partition; nothing when none came within the timeout (seconds).

        Returns nothing while the brokers are away. One caller at a time.
        """
        try:
            async with asyncio.timeout(timeout + FETCH_GRACE):
                engine = await self._connection.opened()
                return await engine.fetch(timeout, max_records)
        except TimeoutError:
            return {}
        except KafkaError:
            self._connection.nudge()
            await asyncio.sleep(ERROR_PAUSE)
            return {}

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yield the records of all partitions one by one, for ever."""
        while True:
            for messages in (await self.fetch()).values():
                for message in messages:
                    yield message


class Positions:
    """Where a reader is in each partition; outlives its engines."""

    def __init__(self) -> None:
        self.next: dict[TopicPartition, int] = {}
        self.known = asyncio.Event()
        """Set once the ends of all partitions that exist at the start are known."""


class TailEngine:
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
        self._trouble: KafkaError | None = None
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
        self._sockets = Sockets(self._consumer._client)

    async def open(self) -> None:
        """Connect and find the places to read from."""
        with opening(self._brokers):
            await self._sockets.open(self._consumer.start())
        await self.check()

    def stale(self) -> bool:
        """No socket is up, a topic is missing, or there was an error."""
        missing = any(self._consumer.partitions_for_topic(topic) is None for topic in self._topics)
        return missing or self._trouble is not None or not self._sockets.any_live()

    async def check(self) -> None:
        """Ask for the topics' metadata and take up partitions that are new."""
        trouble, self._trouble = self._trouble, None
        if trouble is not None:
            raise trouble
        self._consumer._client.set_topics(self._topics)
        await refresh_metadata(self._consumer._client, self._brokers)
        await self._follow()

    def broken(self) -> bool:
        """It has no task that could end early."""
        return False

    async def close(self) -> None:
        """Disconnect."""
        self._closing = True
        await close_consumer(self._consumer, self._sockets)

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return what came within the timeout and move the positions behind it. Raises KafkaError."""
        if self._closing:
            raise KafkaUnavailable("the connection is being closed")
        try:
            with translated(f"reading {', '.join(self._topics)}"):
                found = await self._consumer.getmany(timeout_ms=int(timeout * 1000), max_records=max_records)
        except KafkaError as error:
            self._trouble = error
            self._seek(self._assigned)  # what it had taken out for other partitions in the same call is gone
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
