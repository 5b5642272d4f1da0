"""The group engine of librdkafka: a thread uses one confluent-kafka Consumer, and passes records on in batches.

Rebalance callbacks run in that thread, which waits until the listener in the event loop has finished. Every rebalance
revokes and reassigns all partitions (the assignor `roundrobin`, as in aiokafka), so that members of both engines can be
in one group, as during a reload of an app with the other engine.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

import anyio

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.settings import ERROR_TTL, GroupSettings
from pywatt_kafka.engine.topic_names import subscribed
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.rdkafka import watermarks
from pywatt_kafka.rdkafka.client import CHECK_LIMIT, client_settings, fetch_settings
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.drained import DrainedPartitions, EndReached, Polled
from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.group_member import group_member
from pywatt_kafka.rdkafka.poller import Poller
from pywatt_kafka.rdkafka.records import message_from, native
from pywatt_kafka.records import Message, Offset, TopicPartition, Unstable
from pywatt_kafka.security.options import Security

logger = logging.getLogger("pywatt_kafka")

CLOSE_LIMIT = 5.0  # seconds
ENDS_INTERVAL = 1.0  # seconds between updates of the ends of partitions
QUEUED_RECORDS = 20_000  # per partition, above which fetching pauses ...
QUEUE_BACKOFF = 10  # ms ... for this time; the default is 1 s
QUEUED_KILOBYTES = 16 * 1024  # per partition

END_OF_PARTITION = -191  # librdkafka's code of the event


class _RebalancedError(Exception):
    """Ends the current poll from inside a rebalance callback."""


class RdkafkaGroup:
    """A group engine with one confluent-kafka Consumer, subscribed to the existing topics among its own."""

    def __init__(self, brokers: tuple[str, ...], settings: GroupSettings, security: Security) -> None:
        self._brokers = brokers
        self._settings = settings
        self._membership = settings.membership
        self._security = security
        self._pattern = None if settings.pattern is None else re.compile(rf"(?:{settings.pattern})\Z")
        self._health = ClientHealth(brokers)
        self._consumer: Any = None
        self._poller: Poller[Polled | None] = Poller(self._poll)
        self._present: dict[str, int] = {}
        """Number of partitions of each topic of the cluster."""
        self._subscribed: frozenset[str] = frozenset()
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: set[TopicPartition] = set()
        """Partitions that the user has paused."""
        self._starts: dict[TopicPartition, int] | None = None
        """Start offsets, while an assignment is being made; else None."""
        self._polling = False
        self._in_rebalance = False
        self._commits: list[tuple[frozenset[tuple[str, int, int]], Future[None]]] = []
        """Commits without a response, with the partitions and offsets of each."""
        self._ends: Mapping[TopicPartition, int] = {}
        self._ends_at = 0.0
        self._drained = DrainedPartitions()
        self._last_error: KafkaError | None = None
        self._last_error_at = 0.0
        self._listener_error: Exception | None = None
        self._closing = False

    async def open(self) -> None:
        """Connect; joining continues in the background, and does not wait for topics to exist."""
        self._poller.start()
        await self._poller.call(self._make)
        await self.check()
        self._settings.opened(self._present)

    def stale(self) -> bool:
        """Return whether no broker is connected, a topic is missing, or there was an error."""
        missing = not self._subscribed.issuperset(self._settings.topics)
        return missing or self._last_error is not None or self._health.down

    async def check(self) -> None:
        """Ask for the topics; subscribe again when they have changed."""
        from confluent_kafka import KafkaException

        if self._last_error is not None:
            if time.monotonic() - self._last_error_at < ERROR_TTL:
                raise self._last_error
            self._last_error = None
        try:
            metadata = await self._poller.call(partial(self._consumer.list_topics, timeout=CHECK_LIMIT))
        except KafkaException as error:
            raise self._health.unreachable() from error
        self._health.answered()
        self._present = {name: len(topic.partitions) for name, topic in metadata.topics.items() if topic.error is None}
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
            await self._revoke(self._owned)
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
        polled = await self._poller.fetch(timeout, max_records)
        if polled is None:
            return {}
        self._drained.take(polled.ends)
        return polled.batches

    async def rewind(self, partitions: Collection[TopicPartition], known: Mapping[TopicPartition, int]) -> None:
        """Do nothing: a failed fetch discards no records."""

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop fetching from these partitions."""
        places = self._owned.intersection(partitions)
        self._paused |= places
        if places and self._starts is None:
            self._poller.call_soon(partial(self._set_paused, places, True))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Resume fetching from these partitions."""
        places = self._owned.intersection(partitions)
        self._paused -= places
        if places and self._starts is None:
            self._poller.call_soon(partial(self._set_paused, places, False))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Continue reading at that offset."""
        if self._starts is not None:
            self._starts[partition] = offset
            return
        self._poller.call_soon(partial(self._seek, partition, offset, self._drained.seek(partition)))

    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit positions. Raises KafkaError; waits while the group rebalances."""
        wanted = [native(place, offset.offset, offset.metadata) for place, offset in offsets.items()]
        committed: Future[None] = Future()
        await self._poller.call(partial(self._commit, wanted, committed))
        await asyncio.wrap_future(committed)

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        """Return committed positions with their metadata."""
        places = tuple(partitions)
        return await self._poller.call(partial(watermarks.committed_offsets, self._consumer, places)) if places else {}

    async def begin_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset of the first record of each partition."""
        return await self._poller.call(partial(watermarks.begin_offsets, self._consumer, tuple(partitions)))

    async def offsets_at(self, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
        """Return the offset of the first record at or after each time (ms since 1970); None where there is none."""
        return await self._poller.call(partial(watermarks.offsets_at, self._consumer, times))

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record of each partition."""
        return await self._poller.call(partial(watermarks.end_offsets, self._consumer, tuple(partitions)))

    async def unstable(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Unstable]:
        """Return the ranges that open transactions hold."""
        return await self._poller.call(partial(watermarks.unstable_ranges, self._consumer, tuple(partitions)))

    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset at which each partition was found to have no further record."""
        return self._drained.offsets

    def member(self) -> GroupMember:
        """Return the member with its current generation."""
        return group_member(self._consumer, self._membership.group)

    def behind(self, known: Mapping[TopicPartition, int]) -> int:
        """Return how many records follow the known offsets, as the fetches so far reported."""
        ends, drained = self._ends, self._drained.offsets
        # `ends` counts open transactions too; a drained partition has nothing that may be read
        places = (place for place in self._owned.intersection(known) if drained.get(place, -1) < known[place])
        return sum(max(0, ends[place] - known[place]) for place in places if place in ends)

    def _make(self) -> None:
        from confluent_kafka import Consumer

        given, member = self._settings, self._membership
        settings: dict[str, Any] = {
            **client_settings(self._brokers, given.client_id, self._security),
            "group.id": member.group,
            "session.timeout.ms": int(member.session_timeout * 1000),
            "heartbeat.interval.ms": int(member.heartbeat * 1000),
            # it is also how long the group waits for this member in a rebalance
            "max.poll.interval.ms": int(max(member.rebalance_timeout, member.session_timeout) * 1000),
            "partition.assignment.strategy": "roundrobin",
            **fetch_settings(given.fetching),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,  # the only sign that what follows the last record is never returned
            "queued.min.messages": QUEUED_RECORDS,
            "fetch.queue.backoff.ms": QUEUE_BACKOFF,
            "queued.max.messages.kbytes": QUEUED_KILOBYTES,
            "on_commit": self._on_commit,
            "error_cb": self._health.report,
        }
        if member.instance_id is not None:
            settings["group.instance.id"] = member.instance_id
        with translated(f"connecting to {','.join(self._brokers)}"):
            self._consumer = Consumer(settings)

    def _subscribe(self) -> None:
        topics = sorted(self._subscribed)
        with translated(f"subscribing to {', '.join(topics)}"):
            if topics:
                self._consumer.subscribe(
                    topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
                )
            else:
                self._consumer.unsubscribe()

    def _end(self) -> None:
        if self._consumer is not None:
            self._consumer.close()

    def _commit(self, wanted: list[Any], committed: Future[None]) -> None:
        """Start a commit; commit synchronously in a rebalance, when its callback would not be called."""
        with translated("committing"):
            if self._in_rebalance:
                self._committed(committed, None, self._consumer.commit(offsets=wanted, asynchronous=False))
                return
            self._consumer.commit(offsets=wanted, asynchronous=True)
        self._commits.append((frozenset((each.topic, each.partition, each.offset) for each in wanted), committed))

    def _on_commit(self, error: Any, partitions: Sequence[Any]) -> None:
        """Handle the result of a commit; called in the poller's thread."""
        places = frozenset((each.topic, each.partition, each.offset) for each in partitions)
        for index, (wanted, committed) in enumerate(self._commits):
            if wanted == places:
                del self._commits[index]
                self._committed(committed, error, partitions)
                return

    def _committed(self, committed: Future[None], error: Any, partitions: Sequence[Any]) -> None:
        if committed.done():
            return  # the caller no longer waits
        failed = error or next((each.error for each in partitions if each.error is not None), None)
        if failed is None:
            committed.set_result(None)
        else:
            committed.set_exception(translate(failed, during="committing"))

    def _set_paused(self, places: Collection[TopicPartition], paused: bool) -> None:
        natives = [native(place) for place in places if place in self._owned]
        try:
            with translated("pausing" if paused else "resuming"):
                (self._consumer.pause if paused else self._consumer.resume)(natives)
        except KafkaError as error:
            logger.debug("a partition is given up already: %s", error)

    def _seek(self, partition: TopicPartition, offset: int, number: int) -> None:
        try:
            with translated(f"seeking in {partition.topic}[{partition.partition}]"):
                self._consumer.seek(native(partition, offset))
        except KafkaError as error:
            self._record_error(error)
        self._drained.carried_out(partition, number)

    def _poll(self, timeout: float, max_records: int) -> Polled | None:
        """Wait for a record, then take all available ones; called in the poller's thread. Raises KafkaError."""
        if self._consumer is None or not self._subscribed:
            time.sleep(timeout)
            return None
        with translated(f"reading as a member of {self._membership.group}"):
            records = self._records(timeout, max_records)
        batches: dict[TopicPartition, list[Message]] = {}
        ends: dict[TopicPartition, EndReached] = {}
        for record in records:
            error = record.error()
            if error is not None:
                if error.code() == END_OF_PARTITION:
                    place = TopicPartition(record.topic(), record.partition())
                    ends[place] = self._drained.end_reached(place, record.offset())
                else:
                    self._handle_error(error)
                continue
            message = message_from(record)
            batches.setdefault(TopicPartition(message.topic, message.partition), []).append(message)
        self._refresh_ends()
        return Polled(batches, ends) if batches or ends else None

    def _records(self, timeout: float, max_records: int) -> Sequence[Any]:
        self._polling = True
        first: Any = None
        try:
            first = self._consumer.poll(timeout)
            # with a timeout it would wait until it has all of them
            more = self._consumer.consume(max_records - 1, 0) if first is not None and max_records > 1 else ()
        except _RebalancedError:
            return ()  # the records of this poll are read again
        finally:
            self._polling = False
        return () if first is None else (first, *more)

    def _refresh_ends(self) -> None:
        now = time.monotonic()
        if now - self._ends_at < ENDS_INTERVAL:
            return
        self._ends_at = now
        self._ends = watermarks.known_ends(self._consumer, self._owned)

    def _handle_error(self, error: Any) -> None:
        """Record an error for the status, unless it is transient."""
        from confluent_kafka import KafkaError as Native

        if error.code() in (Native._MAX_POLL_EXCEEDED, Native.UNKNOWN_TOPIC_OR_PART):
            return
        if error.code() == Native._FATAL:
            self._health.report(error)
        self._record_error(translate(error, during=f"reading as a member of {self._membership.group}"))

    def _record_error(self, error: KafkaError) -> None:
        self._last_error, self._last_error_at = error, time.monotonic()

    def _on_assign(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Make an assignment; called in the poller's thread."""
        from confluent_kafka import OFFSET_STORED

        places = frozenset(TopicPartition(each.topic, each.partition) for each in partitions)
        self._run_in_loop(self._assign(places))
        starts, self._starts = self._starts or {}, None
        with translated("taking an assignment"):
            consumer.assign([native(place, starts.get(place, OFFSET_STORED)) for place in places])
            if self._paused:
                consumer.pause([native(place) for place in self._paused])
        self._leave_poll()

    def _on_revoke(self, consumer: Any, partitions: Sequence[Any]) -> None:
        """Revoke an assignment; called in the poller's thread."""
        self._run_in_loop(self._revoke(self._owned))
        with translated("giving up an assignment"):
            consumer.unassign()
        self._leave_poll()

    def _leave_poll(self) -> None:
        """End the poll that called the current callback.

        confluent-kafka loses its thread state when a callback calls it, and aborts at the next callback of that poll.
        """
        if self._polling:
            raise _RebalancedError

    def _run_in_loop(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine in the event loop, and wait for it in this thread."""
        self._in_rebalance = True
        try:
            self._poller.run_in_loop(work, self._membership.rebalance_timeout)
        except Exception as error:  # librdkafka would not stop for it: the next fetch raises it instead
            logger.exception("the listener of consumer group %s failed", self._membership.group)
            self._listener_error = error
        finally:
            self._in_rebalance = False

    async def _assign(self, places: frozenset[TopicPartition]) -> None:
        self._owned = places
        self._paused.clear()
        self._drained.assigned(places)
        self._starts = {}
        await self._settings.assigned(places)

    async def _revoke(self, places: frozenset[TopicPartition]) -> None:
        if places:
            await self._settings.revoked(places)
            self._owned = frozenset()
            self._paused.clear()
