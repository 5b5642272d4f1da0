"""The partitions of a stream: takes them from the group, finds where reading begins, and gives them up.

An eager rebalance takes all partitions from every member and gives most of them back. So a revoked partition rests; it
continues where it was when it is assigned again and no other member has committed anything for it meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

import anyio

from pywatt_kafka.consuming.assigned_partition import HELD, LOST, RESTING, AssignedPartition
from pywatt_kafka.consuming.commit_queue import CommitQueue
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.consuming.start_positions import Fallback, Mode, decide_starts
from pywatt_kafka.errors import CommitFailed, KafkaError, OffsetOutOfRange
from pywatt_kafka.records import Offset, TopicPartition

logger = logging.getLogger("pywatt_kafka")

DECISION_LIMIT = 5.0  # seconds that the group waits for the start positions; reading waits longer
DECISION_RETRY = 0.2  # seconds
REVOKE_GRACE = 2.0  # seconds for the commits that are under way before partitions are given up


Target: TypeAlias = int | datetime | Literal["earliest", "latest"]
"""Destination of `seek`: an offset, the first record of a time or later, or either end of the log."""


class PartitionUser(Protocol):
    """Works on the records of partitions."""

    def skipped(self, partition: AssignedPartition, offset: int) -> None:
        """Note that nothing more is delivered before `offset`."""
        ...

    async def revoked(self, partitions: Iterable[AssignedPartition]) -> None:
        """Stop working on these partitions, and commit."""
        ...

    def settled(self) -> None:
        """Continue the partitions that are held again, and forget those that are lost."""
        ...


class Assignments:
    """The assigned partitions of one stream; the listener of its reader."""

    reader: GroupReader

    def __init__(self, commits: CommitQueue, *, mode: Mode, fallback: Fallback) -> None:
        self._commits = commits
        self._mode: Mode = mode
        """Of the first assignment; later ones continue from what is committed."""
        self._fallback: Fallback = fallback
        self.held: dict[TopicPartition, AssignedPartition] = {}
        """The partitions that are read."""
        self._resting: dict[TopicPartition, AssignedPartition] = {}
        self._undecided: frozenset[TopicPartition] = frozenset()
        """Assigned partitions whose start is not known yet."""
        self._paused: set[TopicPartition] = set()
        self.refusal: KafkaError | None = None
        """Reason why some partitions are not read, if that is to be raised."""
        self.decided = asyncio.Event()
        """Set while an assignment is held whose start positions are known."""
        self.epoch = 0
        """Raised with each partition's."""
        self.user: PartitionUser | None = None
        self.listeners: list[Callable[[str, frozenset[TopicPartition]], None]] = []
        """Told `assigned` or `revoked`, and the partitions."""

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Begin or continue the partitions of the assignment, to which these were added."""
        whole = self.reader.assignment
        for place in [place for place in self.held if place not in whole]:
            self._lose(self.held.pop(place))
        self._paused &= whole
        self.refusal = None
        self._undecided = whole - self.held.keys()
        problem: object = "no answer in time"
        with anyio.move_on_after(DECISION_LIMIT):
            while self._undecided:
                try:
                    await self._decide()
                except KafkaError as error:
                    problem = error
                    await asyncio.sleep(DECISION_RETRY)
        if not self._undecided:
            self.decided.set()
        else:
            logger.warning("%s: not read yet, as it is not known where: %s", _listed(self._undecided), problem)
            self.reader.pause(*self._undecided)
        self._tell("assigned", partitions)

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Let partitions rest, once the commits that are under way are done."""
        if self.reader.assignment <= partitions:
            self.decided.clear()
        leaving = [self.held.pop(place) for place in partitions if place in self.held]
        self._undecided -= partitions
        for partition in leaving:
            self._leave_place(partition)
            self._resting[partition.place] = partition
        self._tell("revoked", partitions)
        if self.user is not None:
            await self.user.revoked(leaving)
        with anyio.move_on_after(REVOKE_GRACE):
            await self._commits.idle()
        for partition in leaving:
            partition.tenure = RESTING
        self._changed()

    async def decide(self) -> None:
        """Begin the partitions whose start was not known, if it can be found now."""
        if self._undecided:
            with suppress(KafkaError):
                decided = self._undecided
                await self._decide()
                self.reader.resume(*(decided - self._undecided - self._paused))

    def give_up(self) -> None:
        """Give up everything, as after the stream was closed."""
        for partition in (*self.held.values(), *self._resting.values()):
            self._lose(partition)
        self.held.clear()
        self._resting.clear()

    def begin_again(self, partition: AssignedPartition) -> AssignedPartition:
        """Start over after reading went back, as when a topic was deleted and created again."""
        logger.warning("%s is read again from an earlier offset than %s", partition, partition.position)
        self._lose(partition)
        again = self.held[partition.place] = AssignedPartition(partition.place, self._commits)
        return again

    def skip_undeliverable(self) -> None:
        """Pass, and commit, what is never delivered: a partition with nothing else left would keep its lag for ever."""
        for place, offset in self.reader.positions().items():
            partition = self.held.get(place)
            at = None if partition is None else partition.position
            if partition is None or at is None or offset <= at:
                continue
            partition.skip_to(offset)
            if self.user is not None:
                self.user.skipped(partition, offset)
            elif partition.committed is not None and partition.committed.offset == at:
                self._commits.add(partition, Offset(offset))

    def seek(self, partition: AssignedPartition, offset: int) -> None:
        """Continue reading at that offset. Raises CommitFailed if a rebalance takes the partition away."""
        self.reader.seek(partition.place, offset)
        partition.move(offset)
        self.epoch += 1

    def pause(self, places: Iterable[TopicPartition]) -> None:
        """Stop reading these partitions, at once: records that were fetched are fetched again."""
        for place in places:
            self._paused.add(place)
            partition = self.held.get(place)
            if partition is not None:
                self.reader.pause(place)
                self.go_back(partition)

    def resume(self, places: Iterable[TopicPartition]) -> None:
        """Read these partitions again."""
        found = [place for place in places if place in self._paused]
        self._paused.difference_update(found)
        self.reader.resume(*found)

    def go_back(self, partition: AssignedPartition) -> None:
        """Drop what was fetched of a partition, and fetch from its position."""
        self._leave_place(partition)
        position = partition.position
        if position is not None:
            with suppress(CommitFailed):  # a rebalance takes it away: it will be sought when it is ours again
                self.reader.seek(partition.place, position)

    def _leave_place(self, partition: AssignedPartition) -> None:
        partition.epoch += 1
        self.epoch += 1

    async def _decide(self) -> None:
        """Begin the undecided partitions. Raises KafkaError when it cannot be found out where."""
        undecided = self._undecided
        committed = await self.reader.committed(undecided)
        resting = [self._resting[place] for place in undecided if place in self._resting]
        going_on = {each.place for each in resting if each.continues(committed.get(each.place))}
        starts = decide_starts(
            undecided - going_on,
            committed,
            mode=self._mode,
            fallback=self._fallback,
            appeared=self.reader.appeared,
        )
        ends = await self.reader.end_offsets(starts.latest) if starts.latest else {}
        passed_by = starts.earliest & committed.keys()  # the engine would begin at what is committed
        begins = await self.reader.begin_offsets(passed_by) if passed_by else {}
        if self._undecided is not undecided:
            return  # another assignment has come meanwhile
        self._undecided = frozenset()
        if undecided:
            self._mode = "committed"
        for place in going_on:
            self._continue(self._resting.pop(place), committed.get(place))
        for partition in self._resting.values():
            self._lose(partition)
        self._resting.clear()
        for place, offset in starts.at.items():
            self._begin(place, offset, offset.offset)
        for place in starts.earliest:
            self._begin(place, committed.get(place), begins.get(place))
        for place, end in ends.items():
            # Committed at once: after a crash, reading continues here and not at a later end.
            self._commits.add(self._begin(place, committed.get(place), end), Offset(end))
        self._refuse(starts.refused)
        self.decided.set()
        self.reader.pause(*self._paused.intersection(self.held))
        self._changed()

    def _begin(self, place: TopicPartition, committed: Offset | None, start: int | None) -> AssignedPartition:
        partition = self.held[place] = AssignedPartition(place, self._commits, committed=committed, start=start)
        partition.floor = -1 if start is None else start
        if start is not None:
            self.reader.seek(place, start)
        return partition

    def _continue(self, partition: AssignedPartition, committed: Offset | None) -> None:
        partition.tenure = HELD
        partition.committed = committed
        self.held[partition.place] = partition
        position = partition.position
        if position is not None:
            self.reader.seek(partition.place, position)

    def _refuse(self, places: frozenset[TopicPartition]) -> None:
        if places:
            self.reader.pause(*places)
            self.refusal = OffsetOutOfRange(
                f"{_listed(places)}: the group {self.reader.group_id} has committed nothing there",
                hint='choose fallback="earliest" or "latest", or commit an offset for the group',
            )

    def _lose(self, partition: AssignedPartition) -> None:
        partition.tenure = LOST
        self._leave_place(partition)
        self._changed()

    def _changed(self) -> None:
        self._commits.changed()
        if self.user is not None:
            self.user.settled()

    def _tell(self, event: str, places: frozenset[TopicPartition]) -> None:
        for listener in self.listeners:
            listener(event, places)


def _listed(places: Iterable[TopicPartition]) -> str:
    return ", ".join(f"{topic}[{partition}]" for topic, partition in sorted(places))


def lag_of(
    held: Mapping[TopicPartition, AssignedPartition],
    begins: Mapping[TopicPartition, int],
    ends: Mapping[TopicPartition, int],
) -> Mapping[TopicPartition, int]:
    """Return the number of records that were not handed out yet, by partition."""
    lag: dict[TopicPartition, int] = {}
    for place, partition in held.items():
        if place in begins and place in ends:
            position = partition.position
            lag[place] = max(0, ends[place] - max(begins[place], begins[place] if position is None else position))
    return lag


async def sought_offsets(
    reader: GroupReader, to: Target, places: Collection[TopicPartition]
) -> Mapping[TopicPartition, int]:
    """Return the offset of each partition that `seek` goes to. Raises KafkaUnavailable."""
    if isinstance(to, int):
        if to < 0:
            raise ValueError(f"an offset is 0 or more, not {to}")
        return dict.fromkeys(places, to)
    if not places:
        return {}
    if to == "earliest":
        return await reader.begin_offsets(places)
    ends = await reader.end_offsets(places)
    if isinstance(to, datetime):
        found = await reader.offsets_at(dict.fromkeys(places, round(to.timestamp() * 1000)))
        return {place: end if (at := found.get(place)) is None else at for place, end in ends.items()}
    return ends
