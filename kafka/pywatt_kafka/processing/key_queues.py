"""Queues records by key: one record of a key at a time, all keys side by side.

A queue holds the records of one key of one partition. Only the record at its head is in work; while the head waits for
its next attempt the queue is parked, which costs nothing and blocks no other queue. The owner of the queues is told how
many items wait behind such a head, as those do not count against the partition's limit.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")


class QueueState(enum.Enum):
    """State of a queue's head."""

    RUNNABLE = enum.auto()
    HELD = enum.auto()
    """Runnable but for its group, which is held."""
    RUNNING = enum.auto()
    PARKED = enum.auto()
    GONE = enum.auto()
    """The queue is empty and was removed."""


# Looking up a member of an enum costs as much as a call.
RUNNABLE, HELD, RUNNING, PARKED, GONE = QueueState


class KeyQueue(Generic[Item]):
    """The items of one key, the oldest first."""

    __slots__ = ("delayed", "group", "items", "key", "state")

    def __init__(self, group: Hashable, key: Hashable, item: Item) -> None:
        self.group = group
        self.key = key
        # Most queues never have a second item: an empty list costs a tenth of an empty deque.
        self.items: list[Item] = [item]
        self.state = RUNNABLE
        self.delayed = False
        """True if the head was parked before."""

    @property
    def head(self) -> Item:
        """The item in work, or the next."""
        return self.items[0]


class KeyQueues(Generic[Item]):
    """All queues of one webhook. A group is what can be held or dropped at once: a partition."""

    def __init__(self, wait_behind: Callable[[Item, int], None] | None = None) -> None:
        """`wait_behind` is told the head of a queue and how many more wait behind it since it was parked, or how many
        less (negative) once it is finished.
        """
        self._wait_behind = wait_behind
        self._held: set[Hashable] = set()
        self._groups: dict[Hashable, dict[Hashable, KeyQueue[Item]]] = {}
        self._runnable: deque[KeyQueue[Item]] = deque()

    def __iter__(self) -> Iterator[KeyQueue[Item]]:
        """Yield every queue."""
        for queues in self._groups.values():
            yield from queues.values()

    def add(self, group: Hashable, key: Hashable, item: Item) -> None:
        """Add an item behind those of the same group and key."""
        queues = self._groups.setdefault(group, {})
        queue = queues.get(key)
        if queue is not None:
            queue.items.append(item)
            if queue.delayed:
                self._tell(queue, 1)
            return
        queue = queues[key] = KeyQueue(group, key, item)
        self._make_runnable(queue)

    @property
    def runnable(self) -> bool:
        """True if `take` would return a queue."""
        runnable = self._runnable
        while runnable and runnable[0].state is not RUNNABLE:
            runnable.popleft()
        return bool(runnable)

    def take(self) -> KeyQueue[Item] | None:
        """Return the queue that waited longest, now running; None when there is none to run."""
        runnable = self._runnable
        while runnable:
            queue = runnable.popleft()
            if queue.state is RUNNABLE:
                queue.state = RUNNING
                return queue
        return None

    def claim(self, queue: KeyQueue[Item]) -> bool:
        """Run a queue ahead of others; False when it is not runnable."""
        if queue.state is not RUNNABLE:
            return False
        queue.state = RUNNING
        return True

    def finish(self, queue: KeyQueue[Item]) -> None:
        """Remove the head of a running queue; its successor becomes runnable."""
        _expect(queue, RUNNING)
        if queue.delayed:
            self._delay_is_over(queue)
        del queue.items[0]
        if queue.items:
            self._make_runnable(queue)
        else:
            self._remove(queue)

    def advance(self, queue: KeyQueue[Item]) -> None:
        """Remove the head of a running queue, which continues with the next item; `rest` ends that."""
        _expect(queue, RUNNING)
        if queue.delayed:
            self._delay_is_over(queue)
        del queue.items[0]

    def rest(self, queue: KeyQueue[Item]) -> None:
        """Make a running queue runnable again, or remove it if it is empty."""
        _expect(queue, RUNNING)
        if queue.items:
            self._make_runnable(queue)
        else:
            self._remove(queue)

    def park(self, queue: KeyQueue[Item]) -> None:
        """Park a running queue: its head and all behind it wait."""
        _expect(queue, RUNNING)
        queue.state = PARKED
        if not queue.delayed:
            queue.delayed = True
            self._tell(queue, len(queue.items) - 1)

    def unpark(self, queue: KeyQueue[Item]) -> None:
        """Make a parked queue runnable; one that was dropped meanwhile stays gone."""
        if queue.state is PARKED:
            self._make_runnable(queue)

    def hold(self, group: Hashable) -> None:
        """Hold the queues of a group until it is released or dropped; running ones go on."""
        self._held.add(group)
        for queue in self._groups.get(group, {}).values():
            if queue.state is RUNNABLE:
                queue.state = HELD

    def release(self, group: Hashable) -> None:
        """Make the queues of a held group runnable again."""
        self._held.discard(group)
        for queue in self._groups.get(group, {}).values():
            if queue.state is HELD:
                self._make_runnable(queue)

    def drop(self, group: Hashable) -> None:
        """Drop all items of a group but those in work: their queues stay, so that a key still runs one at a time."""
        self._held.discard(group)
        for queue in list(self._groups.get(group, {}).values()):
            if queue.delayed:
                self._delay_is_over(queue)
            if queue.state is RUNNING:
                del queue.items[1:]
            else:
                queue.items.clear()
                self._remove(queue)

    def drop_key(self, group: Hashable, key: Hashable) -> bool:
        """Drop the items of one key unless one is in work; return whether none was."""
        queue = self._groups.get(group, {}).get(key)
        if queue is None:
            return True
        if queue.state is RUNNING:
            return False
        if queue.delayed:
            self._delay_is_over(queue)
        queue.items.clear()
        self._remove(queue)
        return True

    def _make_runnable(self, queue: KeyQueue[Item]) -> None:
        if self._held and queue.group in self._held:
            queue.state = HELD
        else:
            queue.state = RUNNABLE
            self._runnable.append(queue)

    def _delay_is_over(self, queue: KeyQueue[Item]) -> None:
        queue.delayed = False
        self._tell(queue, 1 - len(queue.items))

    def _tell(self, queue: KeyQueue[Item], more: int) -> None:
        if more and self._wait_behind is not None:
            self._wait_behind(queue.head, more)

    def _remove(self, queue: KeyQueue[Item]) -> None:
        queue.state = GONE
        queues = self._groups[queue.group]
        del queues[queue.key]
        if not queues:
            del self._groups[queue.group]


def _expect(queue: KeyQueue[Item], state: QueueState) -> None:
    if queue.state is not state:
        raise RuntimeError(f"the queue of key {queue.key!r} is {queue.state.name}, not {state.name}")
