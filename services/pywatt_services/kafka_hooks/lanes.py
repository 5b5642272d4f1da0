"""Records in the order of their keys: one at a time per lane, all lanes side by side.

A lane holds the records of one key of one partition. The record at its head is the only one in work; while the head
waits for its next attempt the lane is parked, which costs nothing and blocks no other lane.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class LaneState(enum.Enum):
    """What a lane's head is doing."""

    RUNNABLE = enum.auto()
    HELD = enum.auto()
    """It would be runnable, but its group is held."""
    RUNNING = enum.auto()
    PARKED = enum.auto()
    GONE = enum.auto()
    """The lane has no items any more and was taken out."""


class Lane(Generic[Item]):
    """The items of one key, the oldest first."""

    __slots__ = ("group", "items", "key", "state")

    def __init__(self, group: Hashable, key: Hashable, item: Item) -> None:
        self.group = group
        self.key = key
        self.items: deque[Item] = deque((item,))
        self.state = LaneState.RUNNABLE

    @property
    def head(self) -> Item:
        """The item in work, or next to be."""
        return self.items[0]


class Lanes(Generic[Item]):
    """All lanes of one webhook. A group is what can be held or dropped at once: a partition."""

    def __init__(self) -> None:
        self._held: set[Hashable] = set()
        self._groups: dict[Hashable, dict[Hashable, Lane[Item]]] = {}
        self._runnable: deque[Lane[Item]] = deque()

    def __iter__(self) -> Iterator[Lane[Item]]:
        """Yield every lane."""
        for lanes in self._groups.values():
            yield from lanes.values()

    def add(self, group: Hashable, key: Hashable, item: Item) -> None:
        """Queue an item behind those of the same group and key."""
        lanes = self._groups.setdefault(group, {})
        lane = lanes.get(key)
        if lane is not None:
            lane.items.append(item)
            return
        lane = lanes[key] = Lane(group, key, item)
        self._make_runnable(lane)

    @property
    def runnable(self) -> bool:
        """Whether `take` has something to give."""
        while self._runnable and self._runnable[0].state is not LaneState.RUNNABLE:
            self._runnable.popleft()
        return bool(self._runnable)

    def take(self) -> Lane[Item] | None:
        """Return the lane that waited longest, now running; None when there is none to run."""
        if not self.runnable:
            return None
        lane = self._runnable.popleft()
        lane.state = LaneState.RUNNING
        return lane

    def finish(self, lane: Lane[Item]) -> None:
        """Remove the head of a running lane; its successor becomes runnable."""
        _expect(lane, LaneState.RUNNING)
        lane.items.popleft()
        if lane.items:
            self._make_runnable(lane)
        else:
            self._remove(lane)

    def advance(self, lane: Lane[Item]) -> None:
        """Remove the head of a running lane, which goes on with its successor; `rest` ends that."""
        _expect(lane, LaneState.RUNNING)
        lane.items.popleft()

    def rest(self, lane: Lane[Item]) -> None:
        """Make a running lane runnable again, or take it out if nothing is left in it."""
        _expect(lane, LaneState.RUNNING)
        if lane.items:
            self._make_runnable(lane)
        else:
            self._remove(lane)

    def park(self, lane: Lane[Item]) -> None:
        """Keep the head of a running lane for later, and everything behind it with it."""
        _expect(lane, LaneState.RUNNING)
        lane.state = LaneState.PARKED

    def unpark(self, lane: Lane[Item]) -> None:
        """Make a parked lane runnable; one that was dropped meanwhile stays gone."""
        if lane.state is LaneState.PARKED:
            self._make_runnable(lane)

    def hold(self, group: Hashable) -> None:
        """Give out no lane of this group until it is released or dropped; what runs goes on."""
        self._held.add(group)
        for lane in self._groups.get(group, {}).values():
            if lane.state is LaneState.RUNNABLE:
                lane.state = LaneState.HELD

    def release(self, group: Hashable) -> None:
        """Give out the lanes of a held group again."""
        self._held.discard(group)
        for lane in self._groups.get(group, {}).values():
            if lane.state is LaneState.HELD:
                self._make_runnable(lane)

    def drop(self, group: Hashable) -> None:
        """Forget all items of a group but those in work: their lanes stay, so that a key still runs one at a time."""
        self._held.discard(group)
        for lane in list(self._groups.get(group, {}).values()):
            if lane.state is LaneState.RUNNING:
                head = lane.head
                lane.items.clear()
                lane.items.append(head)
            else:
                lane.items.clear()
                self._remove(lane)

    def _make_runnable(self, lane: Lane[Item]) -> None:
        if self._held and lane.group in self._held:
            lane.state = LaneState.HELD
        else:
            lane.state = LaneState.RUNNABLE
            self._runnable.append(lane)

    def _remove(self, lane: Lane[Item]) -> None:
        lane.state = LaneState.GONE
        lanes = self._groups[lane.group]
        del lanes[lane.key]
        if not lanes:
            del self._groups[lane.group]


def _expect(lane: Lane[Item], state: LaneState) -> None:
    if lane.state is not state:
        raise RuntimeError(f"the lane of key {lane.key!r} is {lane.state.name}, not {state.name}")
