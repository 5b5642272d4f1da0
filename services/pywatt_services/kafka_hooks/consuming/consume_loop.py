"""Reads the webhooks' topics as a member of a group, and hands each record to its targets: at least once.

A record goes to its topic's webhooks at once; reading pauses partition by partition when too many are unfinished.
`offset_committer` commits.

A rebalance takes all partitions from every member and gives most of them back. So a revoked partition is only put on
hold; it resumes when it is assigned again and no other member has committed anything for it meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from time import monotonic
from typing import Generic, Protocol, TypeVar

import anyio

from pywatt_kafka.consuming.assignment_listener import AssignmentListener
from pywatt_kafka.errors import CommitFailed, Fenced, KafkaError
from pywatt_kafka.processing.commit_metadata import decode
from pywatt_kafka.records import Message, Offset, TopicPartition
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.offset_committer import OffsetCommitter
from pywatt_services.kafka_hooks.consuming.partition_state import NO_TARGETS_PROGRESS, PartitionState
from pywatt_services.kafka_hooks.consuming.start_offsets import StartOffsets

logger = logging.getLogger("pywatt.kafka_hooks")

FETCH_TIMEOUT = 1.0  # seconds
DIVIDED_FETCH_TIMEOUT = 0.05  # seconds of a fetch while some target is not read for, so that it soon is again
FETCH_RECORDS = 500
SKIP_INTERVAL = 1.0  # seconds between two looks at the reader's positions while records come
FULL_WAIT = 60.0  # seconds without a fetch while everything is full; the group forgets members after 300
COMMITTED_LIMIT = 5.0  # seconds to read what the group has committed; meanwhile no heartbeat is sent
COMMITTED_RETRY = 0.2  # seconds
REVOKE_GRACE = 2.0  # seconds that deliveries in flight get to end before their partitions are given up


class GroupConsumer(Protocol):
    """The group member to read from."""

    async def fetch(self, *, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None: ...
    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]: ...
    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    def positions(self) -> Mapping[TopicPartition, int]: ...
    def appeared(self, partition: TopicPartition) -> bool: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...


ConsumerT = TypeVar("ConsumerT", bound=GroupConsumer)


class DeliveryTarget(Protocol):
    """Delivers records of one topic."""

    @property
    def id(self) -> int:
        """Identity across restarts."""
        ...

    def accept(self, delivery: Delivery) -> None: ...
    def hold(self, partition: TopicPartition) -> None: ...
    def release(self, partition: TopicPartition) -> None: ...
    def drop(self, partition: TopicPartition) -> None: ...
    def stop(self) -> None: ...
    async def idle(self) -> None: ...


class ConsumeLoop(Generic[ConsumerT]):
    """Reads records and hands them to their targets; handles assigned and revoked partitions."""

    def __init__(
        self,
        make_consumer: Callable[[AssignmentListener], ConsumerT],
        targets: Mapping[str, Sequence[DeliveryTarget]],
        *,
        buffered_records: int,
        start_offsets: StartOffsets,
        on_unread: Callable[[str | None], None] = lambda _: None,
    ) -> None:
        """`make_consumer` takes this loop as the listener of the new consumer; `targets` by topic.

        `buffered_records`: unfinished records of one partition at which reading from it pauses. `on_unread` is
        told why partitions are not read, or None.
        """
        self.consumer = make_consumer(self)
        """Opened and closed by the caller."""
        self._targets = targets
        self._buffered_records = buffered_records
        self._start_offsets = start_offsets
        self._on_unread = on_unread
        self._undecided: frozenset[TopicPartition] = frozenset()
        """Partitions that are not read because the committed offset is unknown."""
        self._held: dict[TopicPartition, PartitionState] = {}
        self._resting: dict[TopicPartition, PartitionState] = {}
        """Revoked partitions, which may be assigned again."""
        self._room = asyncio.Event()
        self._committer = OffsetCommitter(self.consumer, lambda: self._held, self._make_room)

    @property
    def held(self) -> Mapping[TopicPartition, PartitionState]:
        """The assigned partitions."""
        return self._held

    async def run(self) -> None:
        """Read and commit until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._committer.run())

    async def drain(self, limit: float) -> None:
        """Start no new delivery, let those in flight end within `limit` seconds, commit. `run` is over by now."""
        for target in self._all_targets():
            target.stop()
        with anyio.move_on_after(limit):
            await self._idle()
        await self._committer.commit(self._held)

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Start or resume these partitions, the whole assignment."""
        found = await self._committed(partitions)
        committed = found or {}
        new = partitions - committed.keys()
        refused = self._start_offsets.refused(new)
        starts = await self._start_offsets.seek(self.consumer, new - refused)
        resting, self._resting = self._resting, {}
        held: dict[TopicPartition, PartitionState] = {}
        for partition in partitions - refused:
            old = resting.get(partition)
            if old is not None and old.committed == committed.get(partition):
                del resting[partition]
                held[partition] = old
                self._go_on(old)
            else:
                held[partition] = self._begin(partition, committed.get(partition), starts.get(partition))
        self._give_up(resting)
        self._held = held
        self._refuse(refused, known=found is not None)
        for partition in partitions:
            for target in self._targets[partition.topic]:
                target.release(partition)
        self._room.set()
        self._committer.wake()  # something may have been done in the meantime
        logger.debug("partitions assigned: %s", _listed(partitions))

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Put partitions on hold: start no delivery, give those in flight a moment to end, commit."""
        leaving = {partition: self._held.pop(partition) for partition in partitions if partition in self._held}
        for partition in leaving:
            for target in self._targets[partition.topic]:
                target.hold(partition)
        self._resting.update(leaving)
        self._committer.interrupt()  # it would only hang until the group is complete again
        with anyio.move_on_after(REVOKE_GRACE):
            await self._idle()
        await self._committer.commit(leaving)
        logger.debug("partitions given up: %s", _listed(partitions))

    async def _committed(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, Offset] | None:
        """Return the committed offsets of the group; None when they are unknown."""
        problem: object = "no answer in time"
        with anyio.move_on_after(COMMITTED_LIMIT):
            while True:
                try:
                    return await self.consumer.committed(partitions)
                except KafkaError as error:
                    problem = error
                    await asyncio.sleep(COMMITTED_RETRY)
        logger.warning("it is not known what was done before, records may be delivered again: %s", problem)
        return None

    def _begin(self, partition: TopicPartition, committed: Offset | None, start: int | None) -> PartitionState:
        """Return the state of a partition after its committed progress, or at its start."""
        before = NO_TARGETS_PROGRESS
        if committed is not None:
            start, before = committed.offset, decode(committed.offset, committed.metadata)
        return PartitionState(
            partition,
            limit=self._buffered_records,
            targets=[target.id for target in self._targets[partition.topic]],
            changed=self._committer.changed,
            committed=committed,
            start=start,
            before=before,
        )

    def _go_on(self, held: PartitionState) -> None:
        """Resume reading of a partition that was assigned again."""
        if held.next is not None:
            self.consumer.seek(held.place, held.next)
        if held.paused:  # the rebalance has made the consumer forget it
            self.consumer.pause(held.place)

    def _refuse(self, refused: frozenset[TopicPartition], *, known: bool) -> None:
        """Pause these partitions, and report the reason."""
        self._undecided = frozenset() if known else refused
        self.consumer.pause(*refused)
        reason = self._start_offsets.reason(refused, known=known)
        if reason is not None:
            logger.error("%s", reason)
        self._on_unread(reason)

    async def _decide(self) -> None:
        """Start the partitions whose committed offset was unknown."""
        undecided = self._undecided
        try:
            committed = await self.consumer.committed(undecided)
        except KafkaError as error:
            logger.debug("it is still not known what was committed: %s", error)
            return
        if self._undecided is not undecided:
            return  # they were given up meanwhile
        for partition, offset in committed.items():
            held = self._held[partition] = self._begin(partition, offset, None)
            self._seek(held, offset.offset)
            self.consumer.resume(partition)
            for target in self._targets[partition.topic]:
                target.release(partition)
        self._refuse(undecided - committed.keys(), known=True)

    def _skip_undeliverable(self) -> None:
        """Commit past what is never delivered: a partition with nothing else left would keep its lag for ever."""
        for partition, position in self.consumer.positions().items():
            if (held := self._held.get(partition)) is not None:
                held.skip_to(position)

    async def _read(self) -> None:
        skip_at = 0.0
        while True:
            if self._held and all(held.paused for held in self._held.values()):
                # What aiokafka has prefetched for a paused partition is thrown away by a fetch: better not to fetch.
                self._room.clear()
                with anyio.move_on_after(FULL_WAIT):
                    await self._room.wait()
            if self._undecided:
                await self._decide()
            timeout = FETCH_TIMEOUT
            for held in self._held.values():
                if held.divided:
                    self._read_on(held)  # here only: no fetch may be on its way while the position changes
                    timeout = DIVIDED_FETCH_TIMEOUT
            try:
                batches = await self.consumer.fetch(timeout=timeout, max_records=FETCH_RECORDS)
            except Fenced:
                return  # the consumer's status says so
            for partition, messages in batches.items():
                self._take(partition, messages)
            now = monotonic()
            if not batches or now >= skip_at:
                skip_at = now + SKIP_INTERVAL
                self._skip_undeliverable()

    def _take(self, partition: TopicPartition, messages: Sequence[Message]) -> None:
        held = self._held.get(partition)
        if held is None:
            return  # given up meanwhile: its new owner reads them again
        if messages and held.next is not None and held.is_stale(messages[0].offset):
            self._seek(held, held.next)
            return
        if messages and held.knows(messages[0].offset):
            held = self._begin_again(partition, held)
        for target, share in zip(self._targets[partition.topic], held.shares, strict=True):
            for message in held.take(messages, share):
                target.accept(Delivery(message, held, share))
        self._read_on(held)

    def _read_on(self, held: PartitionState) -> None:
        """Seek the next offset of the targets that have room; pause when none has."""
        offset = held.schedule_read()
        if offset is not None:
            self._seek(held, offset)
        if held.full and not held.paused:
            held.paused = True
            self.consumer.pause(held.place)
        elif held.paused and not held.full:
            held.paused = False
            self.consumer.resume(held.place)

    def _seek(self, held: PartitionState, offset: int) -> None:
        try:
            self.consumer.seek(held.place, offset)
        except CommitFailed as error:  # it will be sought when the partition is ours again
            logger.debug("reading does not go on at offset %d yet: %s", offset, error)

    def _begin_again(self, partition: TopicPartition, held: PartitionState) -> PartitionState:
        """Start over after reading went back, as when a topic is deleted and created again."""
        logger.warning("%s[%d] is read again from an earlier offset", partition.topic, partition.partition)
        self._give_up({partition: held})
        self._held[partition] = self._begin(partition, None, None)
        return self._held[partition]

    def _make_room(self, held: PartitionState) -> None:
        if len(held.shares) == 1:
            self._read_on(held)  # nothing is sought: at once
        self._room.set()

    async def _idle(self) -> None:
        for target in self._all_targets():
            await target.idle()

    def _give_up(self, partitions: Mapping[TopicPartition, PartitionState]) -> None:
        for partition, held in partitions.items():
            held.lost = True
            for target in self._targets[partition.topic]:
                target.drop(partition)

    def _all_targets(self) -> Iterable[DeliveryTarget]:
        return (target for targets in self._targets.values() for target in targets)


def _listed(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{topic}[{number}]" for topic, number in sorted(partitions)) or "none"
