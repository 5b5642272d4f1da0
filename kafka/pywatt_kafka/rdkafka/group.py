"""The group engine of librdkafka: a thread uses one confluent-kafka Consumer, and passes records on in batches.

Rebalance callbacks run in that thread, which waits until the listener in the event loop has finished. By default every
rebalance revokes and reassigns all partitions (the assignor `roundrobin`, as in aiokafka), so that members of both
engines can be in one group, as during a reload of an app with the other engine. With the protocol `consumer` or the
assignor `cooperative-sticky` it tells only the partitions that change.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

import anyio

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.settings import ERROR_TTL, GroupSettings
from pywatt_kafka.engine.topic_names import subscribed
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.rdkafka import watermarks
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.errors import translated
from pywatt_kafka.rdkafka.group_member import group_member
from pywatt_kafka.rdkafka.metadata import topics_of_cluster
from pywatt_kafka.rdkafka.poller import Poller
from pywatt_kafka.rdkafka.reading.native_reader import NativeReader
from pywatt_kafka.rdkafka.reading.reached_ends import ReachedEnds
from pywatt_kafka.rdkafka.reading.read_ahead import ReadAhead
from pywatt_kafka.rdkafka.records import native
from pywatt_kafka.rdkafka.settings.consumer import consumer_settings, is_incremental
from pywatt_kafka.rdkafka.settings.security import acquire_token
from pywatt_kafka.records import Message, Offset, TopicPartition, Unstable
from pywatt_kafka.security.options import Security

logger = logging.getLogger("pywatt_kafka")

CLOSE_LIMIT = 5.0  # seconds
READ_AHEAD = 1000  # records of ordinary size


class RdkafkaGroup:
    """A group engine with one confluent-kafka Consumer, subscribed to the existing topics among its own."""

    def __init__(
        self,
        brokers: tuple[str, ...],
        settings: GroupSettings,
        security: Security,
        *,
        has_consumer_protocol: Callable[[], Awaitable[bool]],
    ) -> None:
        """`has_consumer_protocol`: asks the brokers whether they serve the group protocol `consumer`."""
        self._brokers = brokers
        self._settings = settings
        self._membership = settings.membership
        self._security = security
        self._pattern = None if settings.pattern is None else re.compile(rf"(?:{settings.pattern})\Z")
        self._health = ClientHealth(brokers)
        self._has_consumer_protocol = has_consumer_protocol
        self._present: dict[str, int] = {}
        """Number of partitions of each topic of the cluster."""
        self._subscribed: frozenset[str] = frozenset()
        self._starts: dict[TopicPartition, int] | None = None
        """Start offsets, while an assignment is being made; else None."""
        self._starting: frozenset[TopicPartition] = frozenset()
        """The partitions of that assignment."""
        self._in_rebalance = False
        self._turn = asyncio.Lock()
        """Held by the rebalance whose listener runs: they are told one after the other."""
        self._reached = ReachedEnds()
        self._reader = NativeReader(self._membership, self._health, self._reached, self._record_error)
        self._read_ahead = ReadAhead(self._reached, self._reader.paused, settings.out_of_range)
        self._poller = Poller(self._reader, arrived=self._read_ahead.arrive, failed=self._read_ahead.fail)
        self._read_ahead.taken = self._poller.taken
        self._poller.limit = READ_AHEAD
        self._reader.post = self._poller.post
        self._last_error: KafkaError | None = None
        self._last_error_at = 0.0
        self._listener_error: Exception | None = None
        self._closing = False

    async def open(self) -> None:
        """Connect; joining continues in the background, and does not wait for topics to exist."""
        self._poller.start()
        await self._poller.call(partial(self._make, await self._consumer_protocol()))
        await self._look_for_topics()
        await self._settings.opened(self._present)
        await self._subscribe_to_present()

    def stale(self) -> bool:
        """Return whether no broker is connected, a topic is missing, or there was an error."""
        missing = not self._subscribed.issuperset(self._settings.topics)
        return missing or self._last_error is not None or self._health.down

    async def check(self) -> None:
        """Ask for the topics; subscribe again when they have changed."""
        if self._last_error is not None:
            if time.monotonic() - self._last_error_at < ERROR_TTL:
                raise self._last_error
            self._last_error = None
        await self._look_for_topics()
        await self._subscribe_to_present()

    async def _look_for_topics(self) -> None:
        metadata = await topics_of_cluster(
            lambda limit: self._poller.call(partial(self._reader.consumer.list_topics, timeout=limit)), self._health
        )
        self._present = {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}

    async def _subscribe_to_present(self) -> None:
        there = subscribed(self._present, self._settings.topics, self._pattern)
        if there != self._subscribed and not self._closing:
            self._subscribed = there
            await self._poller.call(self._subscribe)

    def broken(self) -> bool:
        """Return whether a fatal error has stopped the client for good. Raises Fenced."""
        if self._health.fenced:
            raise self._membership.fenced()
        return self._health.fatal

    async def close(self) -> None:
        """Revoke the partitions, leave the group (a static member stays), disconnect."""
        self._closing = True
        with anyio.move_on_after(self._membership.rebalance_timeout):
            await self._revoke(None)
        await self._poller.end(self._end, CLOSE_LIMIT)

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return the records that arrive within the timeout (seconds). Raises KafkaError."""
        if self._listener_error is not None:
            error, self._listener_error = self._listener_error, None
            raise error
        if self._closing:
            raise KafkaUnavailable("the connection is being closed")
        if self._health.fenced:
            raise self._membership.fenced()
        self._poller.limit = max(READ_AHEAD, max_records)
        return await self._read_ahead.fetch(timeout, max_records)

    async def rewind(self, partitions: Collection[TopicPartition], known: Mapping[TopicPartition, int]) -> None:
        """Do nothing: a failed fetch discards no records."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop fetching from these partitions."""
        places = self._reader.owned.intersection(partitions)
        self._reader.paused |= places
        if places and self._starts is None:
            self._poller.call_soon(partial(self._reader.set_paused, places, True))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Resume fetching from these partitions."""
        places = self._reader.owned.intersection(partitions)
        self._reader.paused -= places
        self._read_ahead.wake()
        if places and self._starts is None:
            self._poller.call_soon(partial(self._reader.resume, places))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Continue reading at that offset."""
        if offset < 0:
            raise ValueError(f"an offset is 0 or more, not {offset}")
        if self._starts is not None and partition in self._starting:
            self._starts[partition] = offset
            return
        number, carried_out = self._reached.seek(partition), self._read_ahead.seek(partition)
        self._poller.call_soon(partial(self._reader.seek, partition, offset, number, carried_out))

    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit positions. Raises KafkaError; waits while the group rebalances."""
        wanted = [native(place, offset.offset, offset.metadata) for place, offset in offsets.items()]
        committed: Future[None] = Future()
        await self._poller.call(
            lambda: self._reader.commits.start(
                self._reader.consumer, wanted, committed, in_rebalance=self._in_rebalance
            )
        )
        await asyncio.wrap_future(committed)

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        """Return committed positions with their metadata."""
        places = tuple(partitions)
        return (
            await self._poller.call(partial(watermarks.committed_offsets, self._reader.consumer, places))
            if places
            else {}
        )

    async def begin_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset of the first record of each partition."""
        return await self._poller.call(partial(watermarks.begin_offsets, self._reader.consumer, tuple(partitions)))

    async def offsets_at(self, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
        """Return the offset of the first record at or after each time (ms since 1970); None where there is none."""
        return await self._poller.call(partial(watermarks.offsets_at, self._reader.consumer, times))

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record of each partition."""
        return await self._poller.call(partial(watermarks.end_offsets, self._reader.consumer, tuple(partitions)))

    async def unstable(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Unstable]:
        """Return the ranges that open transactions hold."""
        return await self._poller.call(partial(watermarks.unstable_ranges, self._reader.consumer, tuple(partitions)))

    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset at which each partition was found to have no further record."""
        return self._reached.offsets

    def member(self) -> GroupMember:
        """Return the member with its current generation."""
        return group_member(self._reader.metadata, self._membership.group)

    def behind(self, known: Mapping[TopicPartition, int]) -> int:
        """Return how many records follow the known offsets, as the fetches so far reported."""
        ends, reached = self._reader.ends, self._reached.offsets
        # `ends` counts open transactions too; a partition whose end was reached has nothing that may be read
        places = (place for place in self._reader.owned.intersection(known) if reached.get(place, -1) < known[place])
        return sum(max(0, ends[place] - known[place]) for place in places if place in ends)

    async def _consumer_protocol(self) -> bool:
        """Return whether to join with the protocol `consumer`. Raises KafkaError.

        The brokers are asked, as librdkafka says nothing when they do not serve it, and tries for ever.
        """
        wanted = self._membership.protocol
        if wanted == "classic":
            return False
        served = await self._has_consumer_protocol()
        if wanted == "consumer" and not served:
            raise KafkaError(
                f'the brokers {",".join(self._brokers)} do not serve the group protocol "consumer"',
                hint='use Kafka 4.0 or later with the feature group.version on, or protocol="auto"',
            )
        return served

    def _make(self, consumer_protocol: bool) -> None:
        from confluent_kafka.cimpl import Consumer

        settings = consumer_settings(self._brokers, self._settings, self._security, consumer_protocol=consumer_protocol)
        acquire_token(settings)
        self._reader.incremental = is_incremental(settings)
        with translated(f"connecting to {','.join(self._brokers)}"):
            self._reader.consumer = Consumer(
                {**settings, "on_commit": self._reader.commits.on_commit, "error_cb": self._health.report}
            )

    def _commit(self, wanted: list[Any], committed: Future[None]) -> None:
        self._reader.commits.start(self._reader.consumer, wanted, committed, in_rebalance=self._in_rebalance)

    def _subscribe(self) -> None:
        topics = sorted(self._subscribed)
        with translated(f"subscribing to {', '.join(topics)}"):
            if topics:
                self._reader.consumer.subscribe(
                    topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
                )
            else:
                self._reader.consumer.unsubscribe()

    def _end(self) -> None:
        if self._reader.consumer is not None:
            self._reader.consumer.close()

    def _record_error(self, error: KafkaError) -> None:
        self._last_error, self._last_error_at = error, time.monotonic()

    def _on_assign(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Make an assignment; called in the poller's thread."""
        places = frozenset(TopicPartition(each.topic, each.partition) for each in partitions)
        self._reader.learn_generation()
        if self._run_in_loop(self._assign(places), late=partial(self._begin_late, places)):
            starts, self._starts = self._starts or {}, None
            self._take(places, starts, places & self._reader.paused)
        else:
            self._take(places, {}, places)  # nothing of them may be read before the listener knows of them
        self._reader.leave_poll()

    def _begin_late(self, places: frozenset[TopicPartition]) -> None:
        """Begin partitions whose listener has taken longer than the group waits; called in the poller's thread."""
        starts, self._starts = self._starts or {}, None
        places &= self._reader.owned
        if places:
            with suppress(KafkaError):  # they are given up already
                if self._reader.incremental:
                    self._reader.consumer.incremental_unassign([native(place) for place in places])
                self._take(places, starts, places & self._reader.paused)
                self._reader.resume(places - self._reader.paused)

    def _take(
        self, places: frozenset[TopicPartition], starts: Mapping[TopicPartition, int], paused: frozenset[TopicPartition]
    ) -> None:
        """Take over partitions at the starts that are known, some of them paused; called in the poller's thread."""
        from confluent_kafka import OFFSET_STORED

        consumer = self._reader.consumer
        self._reader.assigned(starts, places)
        with translated("taking an assignment"):
            natives = [native(place, starts.get(place, OFFSET_STORED)) for place in places]
            (consumer.incremental_assign if self._reader.incremental else consumer.assign)(natives)
            paused = places if self._reader.held else paused
            if paused:
                consumer.pause([native(place) for place in paused])

    def _on_revoke(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Revoke an assignment; called in the poller's thread."""
        places = frozenset(TopicPartition(each.topic, each.partition) for each in partitions)
        self._run_in_loop(self._revoke(places if self._reader.incremental else None))
        with translated("giving up an assignment"):
            if self._reader.incremental:
                consumer.incremental_unassign(list(partitions))
            else:
                consumer.unassign()
                self._reader.metadata = None
        self._reader.revoked(places)
        self._reader.leave_poll()

    def _run_in_loop(self, work: Coroutine[Any, Any, None], late: Callable[[], None] = lambda: None) -> bool:
        """Run a coroutine in the event loop, and wait for it in this thread, for the rebalance timeout at most.

        Return whether it has ended; else `late` is called in this thread when it has.
        """
        self._in_rebalance = True
        try:
            self._poller.run_in_loop(work, self._membership.rebalance_timeout, late=late)
        except TimeoutError:
            logger.warning(
                "consumer group %s goes on without this member: its event loop or listener was busy for %g s",
                self._membership.group,
                self._membership.rebalance_timeout,
            )
            return False
        finally:
            self._in_rebalance = False
        return True

    async def _assign(self, places: frozenset[TopicPartition]) -> None:
        async with self._turn:
            self._reader.owned |= places
            self._reader.paused -= places
            self._reached.assigned(places)
            self._read_ahead.own(places)
            self._starts, self._starting = {}, places
            await self._tell(self._settings.assigned(places))
            await self._begin(places - self._starts.keys())

    async def _begin(self, places: Collection[TopicPartition]) -> None:
        """Begin these partitions at their committed offsets, or at the first record."""
        from confluent_kafka import OFFSET_BEGINNING

        with suppress(KafkaError):  # without an answer, librdkafka itself asks until it gets one
            committed = await self.committed(places)
            starts = {place: committed[place].offset if place in committed else OFFSET_BEGINNING for place in places}
            self._starts = starts | (self._starts or {})

    async def _revoke(self, places: frozenset[TopicPartition] | None) -> None:
        """Give up these partitions; None: all."""
        async with self._turn:
            places = self._reader.owned if places is None else self._reader.owned & places
            if not places:
                return
            try:
                await self._tell(self._settings.revoked(places))
            finally:
                self._reader.owned -= places
                self._reader.paused -= places
                self._read_ahead.disown(places)
                self._reached.revoked(places)

    async def _tell(self, told: Awaitable[None]) -> None:
        """Await a call of the listener, for the rebalance timeout at most."""
        try:
            async with asyncio.timeout(self._membership.rebalance_timeout):
                await told
        except Exception as error:  # librdkafka would not stop for it: the next fetch raises it instead
            logger.exception("the listener of consumer group %s failed", self._membership.group)
            self._listener_error = error
