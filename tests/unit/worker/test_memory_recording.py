from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from pywatt.worker import memory_recording
from pywatt.worker.memory_recording import record_memory

BIG = 300_000


async def held_while_recording(held: list[bytearray]) -> memory_recording.Stacks:
    async with asyncio.TaskGroup() as tasks:
        recording = tasks.create_task(record_memory(0.05))
        await asyncio.sleep(0)
        assert tracemalloc.is_tracing()
        held.append(bytearray(BIG))  # this line
        bytearray(2 * BIG)
    return recording.result()


async def test_the_line_that_holds_memory_comes_first() -> None:
    stacks = await held_while_recording([])
    frames, held = stacks[0]
    assert frames[-1].startswith("worker/test_memory_recording.py:")
    assert frames[-1].endswith("held.append(bytearray(BIG))  # this line")
    assert BIG <= held < 2 * BIG
    assert not tracemalloc.is_tracing()


async def test_a_program_that_traces_itself_goes_on_with_it() -> None:
    tracemalloc.start(5)
    try:
        before = bytearray(5 * BIG)
        async with asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(record_memory(0))
        assert all(size < len(before) for _, size in recording.result())
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


async def test_only_one_recording_at_a_time() -> None:
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(record_memory(0))
        second = tasks.create_task(refused())
    assert first.result()
    assert second.result()


async def refused() -> bool:
    with pytest.raises(RuntimeError, match="another recording"):
        await record_memory(0)
    return True
