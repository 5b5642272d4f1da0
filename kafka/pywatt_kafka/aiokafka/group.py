"""The group engine of aiokafka: rebalances, errors and shutdown of one AIOKafkaConsumer."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from typing import Any

import anyio

from pywatt_kafka.aiokafka.client import (
    RETRY_BACKOFF,
    bootstrap_errors,
    done,
    fetch_settings,
    own_consumers,
    refresh_metadata,
)
from pywatt_kafka.aiokafka.coordinator.embedded_group_workaround import delay_leader
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.records import AS_MESSAGES, native
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer
from pywatt_kafka.aiokafka.topic_creation import without_topic_creation
from pywatt_kafka.engine.fetching import Isolation
from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.settings import ERROR_TTL, METADATA_AGE, GroupSettings
from pywatt_kafka.errors import CommitFailed, Fenced, KafkaError, KafkaUnavailable, OffsetOutOfRange
from pywatt_kafka.records import Message, Offset, TopicPartition, Unstable

logger = logging.getLogger("pywatt_kafka")

REQUEST_MARGIN = 10.0  # seconds; a broker holds a join for as long as the slowest member may take
LONGEST_HANDLER = 2**31 - 1  # ms without a fetch for which the group keeps the member: 24 days
HELD_FETCH = 0.05  # longest fetch, in seconds, while a partition is paused
EARLIEST = -2  # Kafka's timestamp that stands for the first record
TRY_AGAIN = "InvalidRequestError"
"""The embedded broker's error for a follower that syncs after its leader; the next attempt may succeed."""


class AiokafkaGroup:
    """One AIOKafkaConsumer that subscribes to topics."""

    def __init__(self, brokers: tuple[str, ...], settings: GroupSettings, security: Mapping[str, Any]) -> None:
        from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener

        ConsumerRebalanceListener.register(AiokafkaGroup)
        self._brokers = brokers
        self._settings = settings
        self._membership = member = settings.membership
        self._owned: frozenset[TopicPartition] = frozenset()
        self._paused: set[TopicPartition] = set()
        """Partitions that the user has paused."""
        self._sought: set[TopicPartition] = set()
        """Partitions of this assignment whose position was sought."""
        self._last_error: KafkaError | None = None
        self._last_error_at = 0.0
        self._listener_error: Exception | None = None
        self._fenced: Fenced | None = None
        self._closing = False
        slowest = max(member.session_timeout, member.rebalance_timeout)
        self._consumer: Any = AIOKafkaConsumer(
            bootstrap_servers=",".join(brokers),
            client_id=settings.client_id,
            group_id=member.group,
            group_instance_id=member.instance_id,
            session_timeout_ms=int(member.session_timeout * 1000),
            rebalance_timeout_ms=int(member.rebalance_timeout * 1000),
            heartbeat_interval_ms=int(member.heartbeat * 1000),
            request_timeout_ms=int((slowest + REQUEST_MARGIN) * 1000),
            metadata_max_age_ms=METADATA_AGE,
            retry_backoff_ms=RETRY_BACKOFF,
            key_deserializer=AS_MESSAGES,
            auto_offset_reset="none",  # so that a position out of range is reported
            max_poll_interval_ms=LONGEST_HANDLER,
            enable_auto_commit=False,
            **fetch_settings(settings.fetching),
            **security,
        )
        own_consumers.add(self._consumer)
        self._sockets = Sockets(self._consumer._client)

    async def open(self) -> None:
        """Connect; joining continues in the background, and does not wait for topics to exist."""
        with bootstrap_errors(self._brokers), without_topic_creation():
            await self._sockets.open(self._consumer.start())
            await refresh_metadata(self._consumer._client, self._brokers)  # by the addresses that the brokers name
            self._extend(self._consumer._coordinator)
            await self._settings.opened(await self._present())
            delay_leader(self._consumer._coordinator, self._brokers, os.environ)
            # Subscribed only now: a start with topics fails when one of them does not exist, and waits for the group.
            settings = self._settings
            if settings.pattern is None:
                self._consumer.subscribe(topics=list(settings.topics), listener=self)
            else:
                named = [*map(re.escape, settings.topics), settings.pattern]
                self._consumer.subscribe(pattern=rf"(?:{'|'.join(named)})\Z", listener=self)

    async def _present(self) -> Mapping[str, int]:
        """Return the number of partitions of each topic of the cluster; asking for all of them creates none."""
        cluster = await self._consumer._client.fetch_all_metadata()
        return {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}

    def stale(self) -> bool:
        """Return whether no socket is connected, a topic is missing, or there was an error."""
        missing = any(self._consumer.partitions_for_topic(topic) is None for topic in self._settings.topics)
        return missing or self._last_error is not None or not self._sockets.any_live()

    async def check(self) -> None:
        """Ask for the metadata of the topics, which also detects new topics and partitions."""
        if self._last_error is not None:
            if time.monotonic() - self._last_error_at < ERROR_TTL:
                raise self._last_error
            self._last_error = None
        await refresh_metadata(self._consumer._client, self._brokers)

    def broken(self) -> bool:
        """Return whether the coordinator task has ended. Raises Fenced."""
        if self._fenced is not None:
            raise self._fenced
        return self._consumer._coordinator is not None and done(self._consumer._coordinator._coordination_task)

    async def close(self) -> None:
        """Revoke the partitions, leave the group, disconnect."""
        self._closing = True
        with anyio.move_on_after(self._membership.rebalance_timeout):
            await self.on_partitions_revoked(self._owned)
        await close_consumer(self._consumer, self._sockets)

    async def fetch(self, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return the records that arrive within the timeout (seconds). Raises KafkaError."""
        if self._listener_error is not None:
            error, self._listener_error = self._listener_error, None
            raise error
        if self._closing:
            raise KafkaUnavailable("the connection is being closed")
        if self._fenced is not None:
            raise self._fenced
        wanted: list[Any] = []
        if self._paused:
            # With partitions named, as a fetch for all discards the prefetched records of paused partitions. It
            # misses partitions that are resumed meanwhile, so it must be short.
            wanted = [native(partition) for partition in self._owned - self._paused]
            timeout = min(timeout, HELD_FETCH)
        try:
            with translated(f"reading as a member of {self._membership.group}"):
                batches = await self._consumer.getmany(*wanted, timeout_ms=int(timeout * 1000), max_records=max_records)
        except OffsetOutOfRange as error:
            for place, offset in getattr(error.__cause__, "args", ({},))[0].items():
                self._settings.out_of_range(TopicPartition(*place), offset)
            raise
        except KafkaError as error:
            if TRY_AGAIN not in str(error):
                self._last_error, self._last_error_at = error, time.monotonic()
            raise
        if self._fenced is not None:
            raise self._fenced
        return {TopicPartition(*place): messages for place, messages in batches.items()}

    async def rewind(self, partitions: Collection[TopicPartition], known: Mapping[TopicPartition, int]) -> None:
        """Seek to the known offsets; partitions without one seek to the committed offset or the beginning."""
        unknown = [partition for partition in partitions if partition not in known]
        committed = await self.committed(unknown)
        with translated("going back to the last delivered record"):
            for partition in partitions:
                if partition in known:
                    self._consumer.seek(native(partition), known[partition])
                elif partition in committed:
                    self._consumer.seek(native(partition), committed[partition].offset)
                else:
                    await self._consumer.seek_to_beginning(native(partition))

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Stop fetching from these partitions."""
        for partition in self._owned.intersection(partitions):
            self._paused.add(partition)
            self._consumer.pause(native(partition))

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """Resume fetching from these partitions."""
        for partition in self._owned.intersection(partitions):
            self._paused.discard(partition)
            self._consumer.resume(native(partition))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Continue reading at that offset."""
        self._sought.add(partition)
        with translated(f"seeking in {partition.topic}[{partition.partition}]"):
            self._consumer.seek(native(partition), offset)

    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit positions. Raises KafkaError; waits while the group rebalances."""
        from aiokafka.structs import OffsetAndMetadata

        with translated("committing"):
            await self._consumer.commit(
                {native(place): OffsetAndMetadata(offset.offset, offset.metadata) for place, offset in offsets.items()}
            )

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        """Return committed positions, with the metadata that aiokafka's own `committed` leaves out."""
        with translated("reading committed offsets"):
            found = await self._consumer._coordinator.fetch_committed_offsets([native(place) for place in partitions])
        return {TopicPartition(*place): Offset(offset.offset, offset.metadata) for place, offset in found.items()}

    async def begin_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset of the first record of each partition."""
        with translated("finding where partitions begin"):
            found = await self._consumer.beginning_offsets([native(place) for place in partitions])
        return {TopicPartition(*place): offset for place, offset in found.items()}

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after the last record of each partition."""
        with translated("finding where partitions end"):
            found = await self._consumer.end_offsets([native(place) for place in partitions])
        return {TopicPartition(*place): offset for place, offset in found.items()}

    async def offsets_at(self, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
        """Return the offset of the first record at or after each time (ms since 1970); None where there is none."""
        with translated("finding offsets by time"):
            found = await self._consumer.offsets_for_times({native(place): time for place, time in times.items()})
        return {TopicPartition(*place): None if at is None else at.offset for place, at in found.items()}

    async def unstable(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Unstable]:
        """Return the ranges that open transactions hold, as the last fetches reported."""
        found: dict[TopicPartition, Unstable] = {}
        assigned = {TopicPartition(*place) for place in self._consumer.assignment()}
        for place in assigned.intersection(partitions):
            begin, end = (
                self._consumer.last_stable_offset(native(place)),
                self._consumer.highwater(native(place)),
            )
            if begin is not None and end is not None and 0 <= begin < end:
                found[place] = Unstable(begin, end)
        return found

    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset that the next record of each partition has or passes."""
        subscription = self._consumer._subscription.subscription
        assignment = None if subscription is None else subscription.assignment
        if assignment is None or not assignment.active:
            return {}
        states = {TopicPartition(*place): assignment.state_value(place) for place in assignment.tps}
        return {
            place: state.position
            for place, state in states.items()
            if place in self._owned and state is not None and state.has_valid_position
        }

    def member(self) -> GroupMember:
        """Return the member with its current generation."""
        coordinator = self._consumer._coordinator
        if not coordinator.member_id or coordinator.generation < 0:
            raise CommitFailed(f"this consumer is no member of group {self._membership.group} now")
        return GroupMember(
            group=self._membership.group,
            generation=coordinator.generation,
            member_id=coordinator.member_id,
            instance_id=self._membership.instance_id,
        )

    def behind(self, known: Mapping[TopicPartition, int]) -> int:
        """Return how many records follow the known offsets, as the fetches so far reported."""
        # aiokafka's own view: during a rebalance it has fewer partitions than ours.
        positions = self.positions()
        return sum(
            max(0, end - max(known[place], positions.get(place, 0)))
            for place in (TopicPartition(*each) for each in self._consumer.assignment())
            if place in known and (end := self._end(place)) is not None
        )

    def _end(self, place: TopicPartition) -> int | None:
        """Return the offset after the last record that may be read, as the last fetch reported it."""
        if self._settings.fetching.isolation is Isolation.READ_COMMITTED:
            stable: int | None = self._consumer.last_stable_offset(native(place))
            if stable is not None and stable >= 0:
                return stable
        end: int | None = self._consumer.highwater(native(place))
        return end

    async def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
        """Part of aiokafka's listener; called before anything of a new assignment is fetched."""
        places = list(assigned)
        self._owned = frozenset(TopicPartition(*place) for place in places)
        self._paused.clear()
        self._consumer.pause(*places)
        self._sought = set()
        # Until something is sought. Without it, aiokafka would report each partition without a committed offset.
        assignment = self._consumer._subscription.subscription.assignment
        for place in places:
            assignment.state_value(place).await_reset(EARLIEST)
        await self._notify(self._settings.assigned(self._owned))
        await self._begin()
        for partition in self._owned - self._paused:
            self._consumer.resume(native(partition))

    async def _begin(self) -> None:
        """Begin at their committed offsets where the listener has sought nothing; without one, at the first record."""
        unset = self._owned - self._sought
        if not unset:
            return
        try:
            for partition, offset in (await self.committed(unset)).items():
                if partition not in self._sought:
                    self.seek(partition, offset.offset)
        except KafkaError as error:
            self._listener_error = error  # the next fetch raises it, and its caller rewinds

    async def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
        """Part of aiokafka's listener; also called by `close`."""
        places = self._owned.intersection(TopicPartition(*place) for place in revoked)
        if not places:
            return
        await self._notify(self._settings.revoked(places))
        self._owned = frozenset()
        self._paused.clear()

    def _extend(self, coordinator: Any) -> None:
        from pywatt_kafka.aiokafka.coordinator.stable_offsets import check_committed_offsets
        from pywatt_kafka.aiokafka.coordinator.static_member import name_static_member

        check_committed_offsets(coordinator, stable=self._settings.fetching.isolation is Isolation.READ_COMMITTED)
        if self._membership.instance_id is not None:
            name_static_member(coordinator, self._note_fenced)

    def _note_fenced(self) -> None:
        self._fenced = self._membership.fenced()

    async def _notify(self, notified: Awaitable[None]) -> None:
        try:
            await notified
        except Exception as error:  # aiokafka would only log it: the next fetch raises it instead
            logger.exception("the listener of consumer group %s failed", self._membership.group)
            self._listener_error = error
