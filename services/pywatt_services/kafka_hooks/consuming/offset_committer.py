"""Commits the offsets of a group member: the lowest unfinished one of each partition, and the progress beyond it.

Only this module commits: `partition_state`, `offset_tracker` and `commit_metadata` calculate.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import anyio

from pywatt_kafka.errors import CommitFailed, KafkaError
from pywatt_kafka.records import Offset, TopicPartition
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.consuming.partition_state import Commit, PartitionState

logger = logging.getLogger("pywatt.kafka_hooks")

COMMIT_INTERVAL = 0.25  # seconds from the first record that is done to the commit ...
COMMIT_RECORDS = 1000  # ... unless so many are done before: about as many come again after a crash
COMMIT_RETRY = 1.0  # seconds after a commit that failed

Partitions: TypeAlias = Mapping[TopicPartition, PartitionState]


class CommittingConsumer(Protocol):
    """The group member that commits."""

    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None: ...


class OffsetCommitter:
    """Commits finished records a moment later, many at once."""

    def __init__(
        self,
        consumer: CommittingConsumer,
        assigned: Callable[[], Partitions],
        make_room: Callable[[PartitionState], None],
    ) -> None:
        """`assigned` returns the partitions to commit. `make_room` is called for a paused one that has room again."""
        self._consumer = consumer
        self._assigned = assigned
        self._make_room = make_room
        self._throttle = LogThrottle()
        self._committing = anyio.CancelScope()
        self._done = asyncio.Event()
        self._many_done = asyncio.Event()
        self._uncommitted = 0
        """Changes since the last commit began."""

    def changed(self, partition: PartitionState) -> None:
        """Note that something of a partition is done: commit it soon, and read on if there is room for more."""
        if partition.lost:
            return
        if not self._uncommitted:
            self._done.set()
        self._uncommitted += 1
        if self._uncommitted == COMMIT_RECORDS and not partition.is_noted_at_length:
            self._many_done.set()
        if partition.paused and partition.has_room:
            self._make_room(partition)

    def wake(self) -> None:
        """Commit soon, whether or not something is known to be done."""
        self._done.set()

    def interrupt(self) -> None:
        """Cancel the commit that `run` has under way."""
        self._committing.cancel()

    async def run(self) -> None:
        """Commit the assigned partitions regularly until cancelled."""
        while True:
            await self._done.wait()
            with anyio.move_on_after(COMMIT_INTERVAL):
                await self._many_done.wait()
            self._done.clear()
            self._many_done.clear()
            self._uncommitted = 0
            committed = False
            with anyio.CancelScope() as self._committing:
                committed = await self.commit(self._assigned())
            if not committed:
                self._done.set()
                await asyncio.sleep(COMMIT_RETRY)

    async def commit(self, partitions: Partitions) -> bool:
        """Commit finished records now; return False on failure: then records are delivered again, and none is lost."""
        due: dict[TopicPartition, tuple[PartitionState, Commit]] = {}
        for place, partition in partitions.items():
            commit = partition.to_commit()
            if commit is not None:
                due[place] = partition, commit
                if partition.paused and partition.has_room:
                    self._make_room(partition)
        if not due:
            return True
        try:
            await self._consumer.commit({place: commit.offset for place, (_, commit) in due.items()})
        except CommitFailed as error:
            logger.debug("not committed, the group is changing: %s", error)
            return False
        except KafkaError as error:
            if self._throttle.due():
                logger.warning("not committed, records may be delivered again: %s", error)
            return False
        for partition, commit in due.values():
            partition.was_committed(commit)
        return True
