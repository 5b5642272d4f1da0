"""Each key runs one record at a time, in order; a parked key blocks no other; a dropped partition leaves nothing."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from pywatt_services.kafka_hooks.delivering.lanes import Lane, Lanes, LaneState

PARTITIONS = st.integers(0, 1)
KEYS = st.sampled_from([b"a", b"b", b"c"])
Item = tuple[int, bytes, int]


class LanesMachine(RuleBasedStateMachine):
    """Compares with a list per key."""

    running = Bundle("running")
    parked = Bundle("parked")

    def __init__(self) -> None:
        super().__init__()
        self.behind = {0: 0, 1: 0}
        self.lanes: Lanes[Item] = Lanes(self.wait_behind)
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
        self.lanes.add(partition, key, item)

    @rule(target=running)
    def take(self) -> Lane[Item] | None:
        lane = self.lanes.take()
        free = self.free()
        if lane is None:
            assert not free
            return None
        partition, key, _ = lane.head
        assert (partition, key) in free
        assert self.waiting[partition, key].pop(0) == lane.head
        self.busy[partition, key] = lane.head
        return lane

    @rule(lane=consumes(running))
    def finish(self, lane: Lane[Item] | None) -> None:
        if lane is not None:
            partition, key, _ = lane.head
            del self.busy[partition, key]
            self.lanes.finish(lane)

    @rule(lane=consumes(running), target=parked)
    def park(self, lane: Lane[Item] | None) -> Lane[Item] | None:
        if lane is not None:
            partition, key, _ = item = lane.head
            del self.busy[partition, key]
            self.waiting[partition, key].insert(0, item)
            self.resting.add((partition, key))
            self.lanes.park(lane)
        return lane

    @rule(lane=consumes(parked))
    def unpark(self, lane: Lane[Item] | None) -> None:
        if lane is not None:
            if lane.state is LaneState.PARKED:
                partition, key, _ = lane.head
                self.resting.remove((partition, key))
            self.lanes.unpark(lane)

    @rule(partition=PARTITIONS)
    def hold(self, partition: int) -> None:
        self.held.add(partition)
        self.lanes.hold(partition)

    @rule(partition=PARTITIONS)
    def release(self, partition: int) -> None:
        self.held.discard(partition)
        self.lanes.release(partition)

    @rule(partition=PARTITIONS)
    def drop(self, partition: int) -> None:
        self.waiting = {place: [] if place[0] == partition else items for place, items in self.waiting.items()}
        self.resting = {place for place in self.resting if place[0] != partition}
        self.held.discard(partition)
        self.lanes.drop(partition)

    def free(self) -> set[tuple[int, bytes]]:
        waiting = {place for place, items in self.waiting.items() if items and place[0] not in self.held}
        return waiting - set(self.busy) - self.resting

    @invariant()
    def runnable_tells_whether_take_gives_something(self) -> None:
        assert self.lanes.runnable == bool(self.free())

    @invariant()
    def what_waits_behind_delayed_heads_is_told(self) -> None:
        behind = {0: 0, 1: 0}
        for lane in self.lanes:
            if lane.delayed:
                behind[lane.head[0]] += len(lane.items) - 1
        assert self.behind == behind


LanesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestLanes = LanesMachine.TestCase


def test_finish_of_a_lane_that_does_not_run_is_an_error() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.add(0, b"key", "item")
    lane = lanes.take()
    assert lane is not None
    lanes.park(lane)
    with pytest.raises(RuntimeError, match="PARKED, not RUNNING"):
        lanes.finish(lane)


def test_items_behind_a_head_that_was_parked_are_told_until_it_is_finished() -> None:
    told: list[tuple[str, int]] = []
    lanes: Lanes[str] = Lanes(lambda head, more: told.append((head, more)))
    for item in ("first", "second", "third"):
        lanes.add(0, b"key", item)
    lane = lanes.take()
    assert lane is not None
    assert told == []
    lanes.park(lane)
    assert told == [("first", 2)]
    lanes.add(0, b"key", "fourth")
    lanes.unpark(lane)
    assert lanes.take() is lane
    lanes.park(lane)
    assert told == [("first", 2), ("first", 1)]
    lanes.unpark(lane)
    assert lanes.take() is lane
    lanes.finish(lane)
    assert told == [("first", 2), ("first", 1), ("first", -3)]


def test_dropped_lane_is_not_woken_by_its_timer() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.add(0, b"key", "item")
    lane = lanes.take()
    assert lane is not None
    lanes.park(lane)
    lanes.drop(0)
    lanes.unpark(lane)
    assert lanes.take() is None


def test_key_of_a_partition_that_came_back_waits_for_the_old_record_in_flight() -> None:
    lanes: Lanes[str] = Lanes()
    lanes.add(0, b"key", "old")
    old = lanes.take()
    assert old is not None
    lanes.drop(0)
    lanes.add(0, b"key", "new")
    assert lanes.take() is None
    lanes.finish(old)
    new = lanes.take()
    assert new is not None
    assert new.head == "new"


def test_held_group_goes_on_where_it_was() -> None:
    lanes: Lanes[str] = Lanes()
    for item in ("first", "second"):
        lanes.add(0, b"key", item)
    lane = lanes.take()
    assert lane is not None
    lanes.hold(0)
    lanes.finish(lane)
    lanes.add(0, b"other", "third")
    assert lanes.take() is None
    lanes.release(0)
    assert {lane.head for lane in (lanes.take(), lanes.take()) if lane is not None} == {"second", "third"}
