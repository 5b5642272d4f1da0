"""The worker's part of `pywatt profile SERVICE memory`: which lines hold the memory that was allocated meanwhile.

tracemalloc runs only during the recording, since it makes each allocation several times as expensive.
"""

from __future__ import annotations

import asyncio
import gc
import linecache
import tracemalloc
from pathlib import PurePath

MOST_FRAMES = 50
MOST_STACKS = 1000
LONGEST_FRAME = 160
"""Characters."""
Stacks = list[tuple[list[str], int]]
"""Frames, the outermost first, and the bytes that they hold."""

_recording = False


async def record_memory(seconds: float) -> Stacks:
    """Return the stacks that allocated memory in this time which is still held at its end, the largest first.

    Raises RuntimeError while another recording goes on.
    """
    global _recording  # noqa: PLW0603 - tracemalloc is one per process
    if _recording:
        raise RuntimeError("another recording of its memory goes on")
    _recording = True
    traced = tracemalloc.is_tracing()
    before = await asyncio.to_thread(tracemalloc.take_snapshot) if traced else None
    try:
        if not traced:
            tracemalloc.start(MOST_FRAMES)
        await asyncio.sleep(seconds)
        return await asyncio.to_thread(_held_since, before)
    finally:
        if not traced:
            tracemalloc.stop()
        _recording = False


def _held_since(before: tracemalloc.Snapshot | None) -> Stacks:
    gc.collect()
    ours = [tracemalloc.Filter(False, file) for file in (__file__, tracemalloc.__file__, linecache.__file__)]
    snapshot = tracemalloc.take_snapshot().filter_traces(ours)
    if before is None:
        sizes = [(each.traceback, each.size) for each in snapshot.statistics("traceback")]
    else:
        changes = snapshot.compare_to(before.filter_traces(ours), "traceback")
        sizes = [(each.traceback, each.size_diff) for each in changes if each.size_diff > 0]
    sizes.sort(key=lambda each: each[1], reverse=True)
    return [([_shown(frame) for frame in trace], size) for trace, size in sizes[:MOST_STACKS]]


def _shown(frame: tracemalloc.Frame) -> str:
    """Return a line of code with its place: `api/app.py:12 cache.append(row)`."""
    place = "/".join(PurePath(frame.filename).parts[-2:])
    source = linecache.getline(frame.filename, frame.lineno).strip()
    text = f"{place}:{frame.lineno} {source}".strip()[:LONGEST_FRAME]
    return text.encode(errors="replace").decode()
