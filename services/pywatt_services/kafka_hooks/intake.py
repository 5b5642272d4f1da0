"""Reads the webhooks' topics as a member of a group and commits what is done: at least once, whatever happens.

A record that is read goes to its topic's webhook at once; reading pauses partition by partition when too many are
unfinished. What is committed is always the lowest unfinished offset.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import anyio

from pywatt_kafka.consumer import AssignmentListener
from pywatt_kafka.errors import CommitFailed, KafkaError
from pywatt_kafka.records import Message, Offset, TopicPartition
from pywatt_services.kafka_hooks.config import StartAt
from pywatt_services.kafka_hooks.pace import Pace
from pywatt_services.kafka_hooks.partition import HeldPartition
from pywatt_services.kafka_hooks.webhook import Delivery

logger = logging.getLogger("pywatt.kafka_hooks")

FETCH_TIMEOUT = 1.0  # seconds
FETCH_RECORDS = 500
FULL_WAIT = 60.0  # seconds without a fetch while everything is full; the group forgets members after 300
COMMIT_INTERVAL = 0.25  # seconds from the first record that is done to the commit
COMMIT_RETRY = 1.0  # seconds after a commit that failed
REVOKE_GRACE = 2.0  # seconds that deliveries in flight get to end before their partitions are given up


class GroupConsumer(Protocol):
    """The group member that is read from."""

    async def fetch(self, *, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None: ...
    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]: ...
    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...


ConsumerT = TypeVar("ConsumerT", bound=GroupConsumer)


class Target(Protocol):
    """What delivers the records of one topic."""

    def accept(self, delivery: Delivery) -> None: ...
    def drop(self, partition: TopicPartition) -> None: ...
    def stop(self) -> None: ...
    async def idle(self) -> None: ...


class Intake(Generic[ConsumerT]):
    """Takes records in and has them delivered; listens to which partitions are ours."""

    def __init__(
        self,
        make_consumer: Callable[[AssignmentListener], ConsumerT],
        *,
        buffered_records: int,
        start_at: StartAt = StartAt.EARLIEST,
    ) -> None:
        """`make_consumer` is given this intake as the listener of the consumer that it makes.

        `buffered_records`: unfinished records of one partition at which reading from it pauses. `start_at`: where to
        begin in a partition for which the group has committed nothing.
        """
        self.consumer = make_consumer(self)
        """Opened and closed by the caller."""
        self._buffered_records = buffered_records
        self._start_at = start_at
        self._targets: Mapping[str, Target] = {}
        self._pace = Pace()
        self._held: dict[TopicPartition, HeldPartition] = {}
        self._room = asyncio.Event()
        self._done = asyncio.Event()

    async def run(self, targets: Mapping[str, Target]) -> None:
        """Read and commit until cancelled; `targets` by topic."""
        self._targets = targets
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            tasks.create_task(self._commit_regularly())

    async def drain(self, limit: float) -> None:
        """Start no new delivery, let those in flight end within `limit` seconds, commit. `run` is over by now."""
        for target in self._targets.values():
            target.stop()
        with anyio.move_on_after(limit):
            await self._idle()
        await self._commit(self._held)

    def finished(self, delivery: Delivery) -> None:
        """Note that a record needs no further work."""
        partition = delivery.partition
        message = delivery.message
        partition.finish(message)
        self._done.set()
        if partition.paused and partition.has_room:
            partition.paused = False
            self._room.set()
            self.consumer.resume(TopicPartition(message.topic, message.partition))

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Begin with these partitions, which are all that we have."""
        starts = await self._begin_at_the_end(partitions) if self._start_at is StartAt.LATEST else {}
        self._held = {
            partition: HeldPartition(self._buffered_records, starts.get(partition)) for partition in partitions
        }
        self._room.set()
        if starts:
            self._done.set()  # committed soon, so that the next assignment does not begin at a later end
        logger.debug("partitions assigned: %s", _listed(partitions))

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Give partitions up: drop what waits, let what is in flight end if it is quick, commit."""
        leaving = {partition: self._held.pop(partition) for partition in partitions if partition in self._held}
        self._drop(leaving)
        with anyio.move_on_after(REVOKE_GRACE):
            await self._idle()
        await self._commit(leaving)
        for held in leaving.values():
            held.lost = True
        self._drop(leaving)  # what failed in the meantime and waits for its next attempt
        logger.debug("partitions given up: %s", _listed(partitions))

    async def _begin_at_the_end(self, partitions: frozenset[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Skip what is there in partitions that have no committed offset; return where reading begins instead."""
        try:
            committed = await self.consumer.committed(partitions)
            ends = await self.consumer.end_offsets(partitions - committed.keys())
            for partition, offset in ends.items():
                self.consumer.seek(partition, offset)
        except KafkaError as error:
            logger.warning("reading begins at the earliest records, as the latest could not be found: %s", error)
            return {}
        return ends

    async def _read(self) -> None:
        while True:
            if self._held and all(held.paused for held in self._held.values()):
                # What aiokafka has prefetched for a paused partition is thrown away by a fetch: better not to fetch.
                self._room.clear()
                with anyio.move_on_after(FULL_WAIT):
                    await self._room.wait()
            batches = await self.consumer.fetch(timeout=FETCH_TIMEOUT, max_records=FETCH_RECORDS)
            for partition, messages in batches.items():
                self._take(partition, messages)

    def _take(self, partition: TopicPartition, messages: Sequence[Message]) -> None:
        held = self._held.get(partition)
        if held is None:
            return  # given up meanwhile: its new owner reads them again
        target = self._targets[partition.topic]
        if messages and held.knows(messages[0].offset):
            held = self._begin_again(partition, held)
        for message in messages:
            held.take(message)
            target.accept(Delivery(message, held))
        if held.full and not held.paused:
            held.paused = True
            self.consumer.pause(partition)

    def _begin_again(self, partition: TopicPartition, held: HeldPartition) -> HeldPartition:
        """Reading went back, as it does when a topic is deleted and made anew: what was read before is void."""
        logger.warning("%s[%d] is read again from an earlier offset", partition.topic, partition.partition)
        held.lost = True
        self._targets[partition.topic].drop(partition)
        self._held[partition] = HeldPartition(self._buffered_records)
        return self._held[partition]

    async def _commit_regularly(self) -> None:
        while True:
            await self._done.wait()
            await asyncio.sleep(COMMIT_INTERVAL)
            self._done.clear()
            if not await self._commit(self._held):
                self._done.set()
                await asyncio.sleep(COMMIT_RETRY)

    async def _commit(self, partitions: Mapping[TopicPartition, HeldPartition]) -> bool:
        """Commit what is done; return whether that worked. If not, records are delivered again, none is lost."""
        due = {
            partition: (held, position)
            for partition, held in partitions.items()
            if (position := held.to_commit) is not None
        }
        if not due:
            return True
        try:
            await self.consumer.commit({partition: Offset(position) for partition, (_, position) in due.items()})
        except CommitFailed as error:
            logger.debug("not committed, the group is changing: %s", error)
            return False
        except KafkaError as error:
            if self._pace.due():
                logger.warning("not committed, records may be delivered again: %s", error)
            return False
        for held, position in due.values():
            held.committed = position
        return True

    async def _idle(self) -> None:
        for target in self._targets.values():
            await target.idle()

    def _drop(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in partitions:
            if (target := self._targets.get(partition.topic)) is not None:  # None: `run` has not begun
                target.drop(partition)


def _listed(partitions: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{topic}[{number}]" for topic, number in sorted(partitions)) or "none"
