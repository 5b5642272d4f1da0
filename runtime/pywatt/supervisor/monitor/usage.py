"""Resource usage of processes with their descendants, read from /proc."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import anyio.to_thread

from pywatt import procfs

WINDOW_SECONDS = 0.2
"""Seconds between the two readings that give the present CPU usage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The use of one process with its descendants."""

    pss: int
    """Bytes, with shared pages counted in proportion to those who share them."""
    rss: int
    """Bytes."""
    cpu: float
    """Share of one core at this moment: 1.0 is one whole core."""


@dataclass
class WorkerUsage:
    """The usage of one worker between the ticks of the monitor: cheap to read, and memory is never too little."""

    cpu_seconds: float | None = None
    """Processor time until the last measurement."""
    cpu: float | None = None
    """Share of one core; None: not known before the second measurement."""
    memory: int = 0
    """Resident bytes."""

    def measure(self, pids: list[int], elapsed: float) -> None:
        """Read the present usage; `elapsed`: seconds since the last measurement."""
        used = procfs.cpu_seconds(pids)
        if self.cpu_seconds is not None and elapsed > 0:
            self.cpu = max(0.0, used - self.cpu_seconds) / elapsed
        self.cpu_seconds = used
        self.memory = procfs.resident(pids)


async def measure(pids: Iterable[int]) -> dict[int, Usage]:
    """Return the use of each process that is still there."""
    roots = list(pids)
    return await anyio.to_thread.run_sync(_measure, roots, abandon_on_cancel=True)


def _measure(roots: list[int]) -> dict[int, Usage]:
    trees = {root: procfs.tree(root) for root in roots}
    before, started = {root: procfs.cpu_seconds(tree) for root, tree in trees.items()}, time.monotonic()
    memory = {root: procfs.memory(tree) for root, tree in trees.items()}
    time.sleep(max(0.0, WINDOW_SECONDS - (time.monotonic() - started)))
    window = time.monotonic() - started
    return {
        root: Usage(
            pss=memory[root].pss,
            rss=memory[root].rss,
            cpu=max(0.0, round((procfs.cpu_seconds(tree) - before[root]) / window, 3)),
        )
        for root, tree in trees.items()
        if memory[root].rss
    }
