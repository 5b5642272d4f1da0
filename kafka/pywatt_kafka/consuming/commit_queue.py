"""Sends the commits of one stream: those that are asked for while a request is under way travel in the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import anyio

from pywatt_kafka.consuming.assigned_partition import LOST, RESTING, AssignedPartition
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.errors import CommitFailed, KafkaError
from pywatt_kafka.records import Offset, TopicPartition

REFUSALS = 3  # refused requests after which a commit fails
REFUSAL_PAUSE = 1.0  # seconds after a refused request, unless a rebalance begins or ends before


class _Entry:
    """The commits of one partition that travel together."""

    __slots__ = ("done", "offset")

    def __init__(self, offset: Offset) -> None:
        self.offset = offset
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done.add_done_callback(_retrieve)  # all that wait for it may have been cancelled

    def fail(self, error: KafkaError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class CommitQueue:
    """Commits offsets, one request at a time; a commit never moves a partition back."""

    reader: GroupReader
    """The member of the group whose offsets these are."""

    def __init__(
        self, send: Callable[[Mapping[TopicPartition, Offset]], Awaitable[None]], *, rebalance_limit: float
    ) -> None:
        """`send` commits. `rebalance_limit`: seconds that commits wait for a rebalance to end."""
        self._send = send
        self._rebalance_limit = rebalance_limit
        self._pending: dict[AssignedPartition, _Entry] = {}
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._changed = asyncio.Event()

    async def commit(self, partition: AssignedPartition, offset: Offset) -> None:
        """Commit one offset; return once it is committed. Raises CommitFailed or KafkaUnavailable."""
        entry = self.add(partition, offset)
        if entry is not None:
            await asyncio.shield(entry)

    def add(self, partition: AssignedPartition, offset: Offset) -> asyncio.Future[None] | None:
        """Commit one offset soon; return a future of that, or None if it is committed. Raises CommitFailed."""
        if partition.tenure is LOST:
            raise _lost(partition)
        if offset.offset < partition.floor or offset == partition.committed:
            return None
        entry = self._pending.get(partition)
        if entry is None:
            entry = self._pending[partition] = _Entry(offset)
            self._wanted.set()
            self._idle.clear()
        elif offset.offset >= entry.offset.offset:
            entry.offset = offset
        return entry.done

    def changed(self) -> None:
        """Note that an assignment has begun or ended."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def idle(self) -> None:
        """Wait until every commit has its answer."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send commits until cancelled; those that are left fail."""
        batch: dict[AssignedPartition, _Entry] = {}
        try:
            while True:
                await self._wanted.wait()
                await asyncio.sleep(0)  # the other commits of this turn of the loop join
                self._wanted.clear()
                batch, self._pending = self._pending, {}
                await self._complete(batch)
                if not self._pending:
                    self._idle.set()
        finally:
            for entry in (*batch.values(), *self._pending.values()):
                entry.fail(CommitFailed("committing: the consumer is closed"))

    async def _complete(self, batch: dict[AssignedPartition, _Entry]) -> None:
        """Commit a batch, also through rebalances after which its partitions are this member's again."""
        refusals = 0
        while True:
            for partition in [each for each in batch if each.tenure is LOST]:
                batch.pop(partition).fail(_lost(partition))
            if not batch:
                return
            changed = self._changed
            if any(partition.tenure is RESTING for partition in batch):
                if not await _within(self._rebalance_limit, changed):
                    _fail(batch, CommitFailed("committing: the group is rebalancing"))
                    return
                continue
            for partition, entry in batch.items():
                partition.sent = entry.offset
            try:
                await self._send({partition.place: entry.offset for partition, entry in batch.items()})
            except CommitFailed as error:
                refusals += 1
                if refusals == REFUSALS:
                    _fail(batch, error)
                    return
                await _within(REFUSAL_PAUSE, changed)
            except KafkaError as error:
                _fail(batch, error)
                return
            else:
                for partition, entry in batch.items():
                    partition.committed = entry.offset
                    partition.floor = entry.offset.offset
                    if not entry.done.done():
                        entry.done.set_result(None)
                return


async def _within(seconds: float, event: asyncio.Event) -> bool:
    with anyio.move_on_after(seconds):
        await event.wait()
    return event.is_set()


def _fail(batch: Mapping[AssignedPartition, _Entry], error: KafkaError) -> None:
    for entry in batch.values():
        entry.fail(error)


def _lost(partition: AssignedPartition) -> CommitFailed:
    return CommitFailed(f"committing: {partition} is another member's now, which reads the uncommitted records again")


def _retrieve(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()
