"""Items return after their delays, never earlier; items close to each other return together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from pywatt_kafka.processing.delay_queue import GRAIN, DelayQueue

pytestmark = pytest.mark.anyio

TIMER_PRECISION = 1e-6  # seconds by which asyncio may call early


async def test_items_come_back_in_their_order_and_not_too_early() -> None:
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[tuple[str, float]] = asyncio.Queue()

    def over(items: Sequence[str]) -> None:
        for item in items:
            came.put_nowait((item, loop.time()))

    queue = DelayQueue(over)
    asked = {"late": 5 * GRAIN, "soon": 0.0, "between": 2.5 * GRAIN}
    begun = loop.time()
    for item, seconds in asked.items():
        queue.add(item, seconds)
    for expected in ("soon", "between", "late"):
        item, at = await came.get()
        assert item == expected
        assert at - begun >= asked[item] - TIMER_PRECISION


async def test_many_that_are_due_together_come_together() -> None:
    calls: asyncio.Queue[Sequence[int]] = asyncio.Queue()
    queue = DelayQueue(calls.put_nowait)
    for number in range(1000):
        queue.add(number, number * GRAIN / 1_000_000)
    found: list[Sequence[int]] = []
    while sum(map(len, found)) < 1000:
        found.append(await calls.get())
    assert [number for call in found for number in call] == list(range(1000))
    assert len(found) < 20  # the grains that pass while a thousand are added


async def test_item_may_pause_again_when_it_comes_back() -> None:
    done = asyncio.Event()
    rounds: list[str] = []

    def over(items: Sequence[str]) -> None:
        rounds.extend(items)
        if len(rounds) < 3:
            queue.add("again", 0.0)
        else:
            done.set()

    queue = DelayQueue(over)
    queue.add("first", 0.0)
    await done.wait()
    assert rounds == ["first", "again", "again"]
