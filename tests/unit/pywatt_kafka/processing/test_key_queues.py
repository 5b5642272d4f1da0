"""Each key runs one record at a time, in order; a parked key blocks no other; a dropped partition leaves nothing."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pywatt_kafka.processing.key_queues import KeyQueue, KeyQueues, QueueState

PARTITIONS = st.integers(0, 1)
KEYS = st.sampled_from([b"a", b"b", b"c"])
Item = tuple[int, bytes, int]


class KeyQueuesMachine(RuleBasedStateMachine):
    """Compares with a list per key."""

    running = Bundle("running")
    parked = Bundle("parked")

    def __init__(self) -> None:
        super().__init__()
        self.behind = {0: 0, 1: 0}
        self.queues: KeyQueues[Item] = KeyQueues(self.wait_behind)
        self.number = 0
        self.waiting: dict[tuple[int, bytes], list[Item]] = {}
        self.busy: dict[tuple[int, bytes], Item] = {}
        self.resting: set[tuple[int, bytes]] = set()
        self.held: set[int] = set()

    def wait_behind(self, head: Item, more: int) -> None:
        self.behind[head[0]] += more

    @rule(partition=PARTITIONS, key=KEYS)
    def add(self, partition: int, key: bytes) -> None:
        item = (partition, key, self.number)
        self.number += 1
        self.waiting.setdefault((partition, key), []).append(item)
        self.queues.add(partition, key, item)

    @rule(target=running)
    def take(self) -> KeyQueue[Item] | None:
        queue = self.queues.take()
        free = self.free()
        if queue is None:
            assert not free
            return None
        partition, key, _ = queue.head
        assert (partition, key) in free
        assert self.waiting[partition, key].pop(0) == queue.head
        self.busy[partition, key] = queue.head
        return queue

    @rule(queue=consumes(running))
    def finish(self, queue: KeyQueue[Item] | None) -> None:
        if queue is not None:
            partition, key, _ = queue.head
            del self.busy[partition, key]
            self.queues.finish(queue)

    @rule(queue=consumes(running), target=parked)
    def park(self, queue: KeyQueue[Item] | None) -> KeyQueue[Item] | None:
        if queue is not None:
            partition, key, _ = item = queue.head
            del self.busy[partition, key]
            self.waiting[partition, key].insert(0, item)
            self.resting.add((partition, key))
            self.queues.park(queue)
        return queue

    @rule(queue=consumes(parked))
    def unpark(self, queue: KeyQueue[Item] | None) -> None:
        if queue is not None:
            if queue.state is QueueState.PARKED:
                partition, key, _ = queue.head
                self.resting.remove((partition, key))
            self.queues.unpark(queue)

    @rule(partition=PARTITIONS)
    def hold(self, partition: int) -> None:
        self.held.add(partition)
        self.queues.hold(partition)

    @rule(partition=PARTITIONS)
    def release(self, partition: int) -> None:
        self.held.discard(partition)
        self.queues.release(partition)

    @rule(partition=PARTITIONS)
    def drop(self, partition: int) -> None:
        self.waiting = {place: [] if place[0] == partition else items for place, items in self.waiting.items()}
        self.resting = {place for place in self.resting if place[0] != partition}
        self.held.discard(partition)
        self.queues.drop(partition)

    def free(self) -> set[tuple[int, bytes]]:
        waiting = {place for place, items in self.waiting.items() if items and place[0] not in self.held}
        return waiting - set(self.busy) - self.resting

    @invariant()
    def runnable_tells_whether_take_gives_something(self) -> None:
        assert self.queues.runnable == bool(self.free())

    @invariant()
    def what_waits_behind_delayed_heads_is_told(self) -> None:
        behind = {0: 0, 1: 0}
        for queue in self.queues:
            if queue.delayed:
                behind[queue.head[0]] += len(queue.items) - 1
        assert self.behind == behind


KeyQueuesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestKeyQueues = KeyQueuesMachine.TestCase


def test_finish_of_a_queue_that_does_not_run_is_an_error() -> None:
    queues: KeyQueues[str] = KeyQueues()
    queues.add(0, b"key", "item")
    queue = queues.take()
    assert queue is not None
    queues.park(queue)
    with pytest.raises(RuntimeError, match="PARKED, not RUNNING"):
        queues.finish(queue)


def test_items_behind_a_head_that_was_parked_are_told_until_it_is_finished() -> None:
    told: list[tuple[str, int]] = []
    queues: KeyQueues[str] = KeyQueues(lambda head, more: told.append((head, more)))
    for item in ("first", "second", "third"):
        queues.add(0, b"key", item)
    queue = queues.take()
    assert queue is not None
    assert told == []
    queues.park(queue)
    assert told == [("first", 2)]
    queues.add(0, b"key", "fourth")
    queues.unpark(queue)
    assert queues.take() is queue
    queues.park(queue)
    assert told == [("first", 2), ("first", 1)]
    queues.unpark(queue)
    assert queues.take() is queue
    queues.finish(queue)
    assert told == [("first", 2), ("first", 1), ("first", -3)]


def test_dropped_queue_is_not_woken_by_its_timer() -> None:
    queues: KeyQueues[str] = KeyQueues()
    queues.add(0, b"key", "item")
    queue = queues.take()
    assert queue is not None
    queues.park(queue)
    queues.drop(0)
    queues.unpark(queue)
    assert queues.take() is None


def test_key_of_a_partition_that_came_back_waits_for_the_old_record_in_flight() -> None:
    queues: KeyQueues[str] = KeyQueues()
    queues.add(0, b"key", "old")
    old = queues.take()
    assert old is not None
    queues.drop(0)
    queues.add(0, b"key", "new")
    assert queues.take() is None
    queues.finish(old)
    new = queues.take()
    assert new is not None
    assert new.head == "new"


def test_held_group_goes_on_where_it_was() -> None:
    queues: KeyQueues[str] = KeyQueues()
    for item in ("first", "second"):
        queues.add(0, b"key", item)
    queue = queues.take()
    assert queue is not None
    queues.hold(0)
    queues.finish(queue)
    queues.add(0, b"other", "third")
    assert queues.take() is None
    queues.release(0)
    assert {queue.head for queue in (queues.take(), queues.take()) if queue is not None} == {"second", "third"}


def test_one_key_is_dropped_unless_it_is_in_work() -> None:
    queues: KeyQueues[str] = KeyQueues()
    for key in ("parked", "running", "waiting"):
        queues.add("group", key, key)
    parked, running = queues.take(), queues.take()
    assert parked is not None
    assert running is not None
    queues.park(parked)
    assert [queues.drop_key("group", key) for key in ("parked", "running", "waiting", "unknown")] == [
        True, False, True, True,
    ]  # fmt: skip
    queues.unpark(parked)
    assert queues.take() is None
    assert list(queues) == [running]
