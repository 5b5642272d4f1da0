"""Commits travel together, wait for rebalances, and never go back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import anyio
import pytest

from pywatt_kafka.consuming import commit_queue
from pywatt_kafka.consuming.assigned_partition import HELD, LOST, RESTING, AssignedPartition
from pywatt_kafka.consuming.commit_queue import CommitQueue
from pywatt_kafka.errors import CommitFailed, KafkaError, KafkaUnavailable
from pywatt_kafka.records import Offset, TopicPartition

pytestmark = pytest.mark.anyio

ZERO, ONE = TopicPartition("orders", 0), TopicPartition("orders", 1)


class Group:
    """A group coordinator that answers when the test lets it."""

    def __init__(self) -> None:
        self.requests: list[Mapping[TopicPartition, int]] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.errors: list[KafkaError] = []
        self.queue = CommitQueue(self.send, rebalance_limit=5.0)

    async def send(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        self.requests.append({place: offset.offset for place, offset in offsets.items()})
        await self.answers.wait()
        if self.errors:
            raise self.errors.pop(0)

    def partition(self, place: TopicPartition = ZERO, committed: int | None = None) -> AssignedPartition:
        return AssignedPartition(place, self.queue, committed=None if committed is None else Offset(committed))


async def test_concurrent_commits_are_one_request_with_the_highest_offsets() -> None:
    group = Group()
    zero, one = group.partition(), group.partition(ONE)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.queue.run)
        commits = [group.queue.commit(zero, Offset(offset)) for offset in (3, 7, 5)]
        await asyncio.gather(*commits, group.queue.commit(one, Offset(2)))
        tasks.cancel_scope.cancel()
    assert group.requests == [{ZERO: 7, ONE: 2}]
    assert (zero.committed, one.committed) == (Offset(7), Offset(2))


async def test_commits_during_a_request_travel_in_the_next_one() -> None:
    group = Group()
    group.answers.clear()
    zero = group.partition()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.queue.run)
        tasks.start_soon(group.queue.commit, zero, Offset(1))
        await anyio.wait_all_tasks_blocked()
        for offset in (2, 3, 4):
            tasks.start_soon(group.queue.commit, zero, Offset(offset))
        await anyio.wait_all_tasks_blocked()
        group.answers.set()
        await group.queue.idle()
        tasks.cancel_scope.cancel()
    assert group.requests == [{ZERO: 1}, {ZERO: 4}]


async def test_a_commit_never_goes_back_unless_reading_did() -> None:
    group = Group()
    zero = group.partition(committed=9)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.queue.run)
        await group.queue.commit(zero, Offset(5))
        assert group.requests == []
        zero.move(2)
        await group.queue.commit(zero, Offset(5))
        tasks.cancel_scope.cancel()
    assert group.requests == [{ZERO: 5}]


@pytest.mark.parametrize("held_again", [True, False])
async def test_a_commit_waits_for_the_end_of_a_rebalance(held_again: bool) -> None:
    group = Group()
    zero = group.partition()
    zero.tenure = RESTING
    outcome: list[object] = []

    async def commit() -> None:
        try:
            await group.queue.commit(zero, Offset(1))
        except CommitFailed as error:
            outcome.append(error.message)
        else:
            outcome.append(None)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.queue.run)
        tasks.start_soon(commit)
        await anyio.wait_all_tasks_blocked()
        assert (outcome, group.requests) == ([], [])
        zero.tenure = HELD if held_again else LOST
        group.queue.changed()
        await group.queue.idle()
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    if held_again:
        assert (outcome, group.requests) == ([None], [{ZERO: 1}])
    else:
        assert (group.requests, len(outcome)) == ([], 1)
        assert "orders[0] is another member's now" in str(outcome[0])
        with pytest.raises(CommitFailed):
            await group.queue.commit(zero, Offset(2))


async def test_a_refused_commit_is_tried_again_and_others_fail_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_queue, "REFUSAL_PAUSE", 0.001)
    group = Group()
    zero = group.partition()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.queue.run)
        group.errors = [CommitFailed("rebalancing"), CommitFailed("rebalancing")]
        await group.queue.commit(zero, Offset(1))
        assert len(group.requests) == 3
        group.errors = [CommitFailed("rebalancing")] * 3
        with pytest.raises(CommitFailed):
            await group.queue.commit(zero, Offset(2))
        group.errors = [KafkaUnavailable("away")]
        with pytest.raises(KafkaUnavailable):
            await group.queue.commit(zero, Offset(2))
        tasks.cancel_scope.cancel()


async def test_what_is_left_at_the_end_fails() -> None:
    group = Group()
    group.answers.clear()
    zero = group.partition()
    waiting = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(group.queue.run)
        waiting = group.queue.add(zero, Offset(1))
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert waiting is not None
    assert isinstance(waiting.exception(), CommitFailed)
