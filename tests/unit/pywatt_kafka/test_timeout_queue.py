"""TimeoutQueue: one timer for many items, in order, without memory of ended ones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import anyio
import pytest

from pywatt_kafka.timeout_queue import COMPACT_AT, TimeoutQueue

pytestmark = pytest.mark.anyio


@dataclass(eq=False)
class Item:
    name: str = ""
    ended: bool = False


async def test_only_what_has_not_ended_is_told_of() -> None:
    told: list[str] = []
    both = asyncio.Event()

    def expired(item: Item) -> None:
        item.ended = True
        told.append(item.name)
        if len(told) == 2:
            both.set()

    deadlines = TimeoutQueue[Item](0.01, ended=lambda item: item.ended, expired=expired)
    first, second, third = Item("first"), Item("second"), Item("third")
    for item in (first, second, third):
        deadlines.add(item)
    second.ended = True
    with anyio.fail_after(5):
        await both.wait()
    assert told == ["first", "third"]
    assert len(deadlines) == 0


async def test_items_that_ended_behind_an_open_one_are_forgotten() -> None:
    deadlines = TimeoutQueue[Item](60, ended=lambda item: item.ended, expired=lambda _: None)
    deadlines.add(Item())
    for _ in range(10 * COMPACT_AT):
        item = Item()
        deadlines.add(item)
        item.ended = True
    assert len(deadlines) <= COMPACT_AT + 1
    deadlines.close()
    assert len(deadlines) == 0
