"""Records in the order of their keys: one at a time per lane, all lanes side by side.

A lane holds the records of one key of one partition. The record at its head is the only one in work; while the head
waits for its next attempt the lane is parked, which costs nothing and blocks no other lane. Whoever has the lanes hears
how many items wait behind such a head: they are kept for another reason than that the others are many.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Hashable, Iterator
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


# Looking up a member of an enum costs as much as a call.
RUNNABLE, HELD, RUNNING, PARKED, GONE = LaneState


class Lane(Generic[Item]):
    """The items of one key, the oldest first."""

    __slots__ = ("delayed", "group", "items", "key", "state")

    def __init__(self, group: Hashable, key: Hashable, item: Item) -> None:
        self.group = group
        self.key = key
        # Most lanes never have a second item: an empty list costs a tenth of an empty deque.
        self.items: list[Item] = [item]
        self.state = RUNNABLE
        self.delayed = False
        """Whether the head was parked already."""

    @property
    def head(self) -> Item:
        """The item in work, or next to be."""
        return self.items[0]


class Lanes(Generic[Item]):
    """All lanes of one webhook. A group is what can be held or dropped at once: a partition."""

    def __init__(self, wait_behind: Callable[[Item, int], None] | None = None) -> None:
        """`wait_behind` is told the head of a lane and how many more wait behind it since it was parked, or how many
        less (negative) once it is finished.
        """
        self._wait_behind = wait_behind
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
            if lane.delayed:
                self._tell(lane, 1)
            return
        lane = lanes[key] = Lane(group, key, item)
        self._make_runnable(lane)

    @property
    def runnable(self) -> bool:
        """Whether `take` has something to give."""
        runnable = self._runnable
        while runnable and runnable[0].state is not RUNNABLE:
            runnable.popleft()
        return bool(runnable)

    def take(self) -> Lane[Item] | None:
        """Return the lane that waited longest, now running; None when there is none to run."""
        runnable = self._runnable
        while runnable:
            lane = runnable.popleft()
            if lane.state is RUNNABLE:
                lane.state = RUNNING
                return lane
        return None

    def claim(self, lane: Lane[Item]) -> bool:
        """Let a lane run before its turn; False when it is not runnable."""
        if lane.state is not RUNNABLE:
            return False
        lane.state = RUNNING
        return True

    def finish(self, lane: Lane[Item]) -> None:
        """Remove the head of a running lane; its successor becomes runnable."""
        _expect(lane, RUNNING)
        if lane.delayed:
            self._delay_is_over(lane)
        del lane.items[0]
        if lane.items:
            self._make_runnable(lane)
        else:
            self._remove(lane)

    def advance(self, lane: Lane[Item]) -> None:
        """Remove the head of a running lane, which goes on with its successor; `rest` ends that."""
        _expect(lane, RUNNING)
        if lane.delayed:
            self._delay_is_over(lane)
        del lane.items[0]

    def rest(self, lane: Lane[Item]) -> None:
        """Make a running lane runnable again, or take it out if nothing is left in it."""
        _expect(lane, RUNNING)
        if lane.items:
            self._make_runnable(lane)
        else:
            self._remove(lane)

    def park(self, lane: Lane[Item]) -> None:
        """Keep the head of a running lane for later, and everything behind it with it."""
        _expect(lane, RUNNING)
        lane.state = PARKED
        if not lane.delayed:
            lane.delayed = True
            self._tell(lane, len(lane.items) - 1)

    def unpark(self, lane: Lane[Item]) -> None:
        """Make a parked lane runnable; one that was dropped meanwhile stays gone."""
        if lane.state is PARKED:
            self._make_runnable(lane)

    def hold(self, group: Hashable) -> None:
        """Give out no lane of this group until it is released or dropped; what runs goes on."""
        self._held.add(group)
        for lane in self._groups.get(group, {}).values():
            if lane.state is RUNNABLE:
                lane.state = HELD

    def release(self, group: Hashable) -> None:
        """Give out the lanes of a held group again."""
        self._held.discard(group)
        for lane in self._groups.get(group, {}).values():
            if lane.state is HELD:
                self._make_runnable(lane)

    def drop(self, group: Hashable) -> None:
        """Forget all items of a group but those in work: their lanes stay, so that a key still runs one at a time."""
        self._held.discard(group)
        for lane in list(self._groups.get(group, {}).values()):
            if lane.delayed:
                self._delay_is_over(lane)
            if lane.state is RUNNING:
                del lane.items[1:]
            else:
                lane.items.clear()
                self._remove(lane)

    def _make_runnable(self, lane: Lane[Item]) -> None:
        if self._held and lane.group in self._held:
            lane.state = HELD
        else:
            lane.state = RUNNABLE
            self._runnable.append(lane)

    def _delay_is_over(self, lane: Lane[Item]) -> None:
        lane.delayed = False
        self._tell(lane, 1 - len(lane.items))

    def _tell(self, lane: Lane[Item], more: int) -> None:
        if more and self._wait_behind is not None:
            self._wait_behind(lane.head, more)

    def _remove(self, lane: Lane[Item]) -> None:
        lane.state = GONE
        lanes = self._groups[lane.group]
        del lanes[lane.key]
        if not lanes:
            del self._groups[lane.group]


def _expect(lane: Lane[Item], state: LaneState) -> None:
    if lane.state is not state:
        raise RuntimeError(f"the lane of key {lane.key!r} is {lane.state.name}, not {state.name}")
