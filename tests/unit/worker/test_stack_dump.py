from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from pywatt.worker.stack_dump import waiting

pytestmark = pytest.mark.anyio


async def deep(event: asyncio.Event) -> None:
    await event.wait()


async def numbers(event: asyncio.Event) -> AsyncIterator[int]:
    await event.wait()
    yield 1


async def through_a_generator(event: asyncio.Event) -> None:
    async for _ in numbers(event):
        pass


async def test_tasks_that_wait_at_one_place_are_told_together() -> None:
    event = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(deep(event))
        tasks.create_task(through_a_generator(event))
        await asyncio.sleep(0)
        told = str(waiting()["body"])
        event.set()
    together, _, alone = told.partition("1 task waits")
    assert together.startswith("3 tasks wait (most recent call first):\n")
    assert together.rstrip().endswith("in deep")
    assert "in through_a_generator" in alone
