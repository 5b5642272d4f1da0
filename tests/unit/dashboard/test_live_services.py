"""The app is asked for its services only while somebody looks, and once for all who do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from pywatt.channel.messages import Answer
from pywatt_services.dashboard.event_stream import encode, encoded
from pywatt_services.dashboard.live_services import live_services
from pywatt_services.dashboard.live_state import LiveState


async def test_a_look_that_fails_is_told_and_tried_again() -> None:
    looks: Iterator[ValueError | dict[str, Any]] = iter([ValueError("no"), {"nodes": []}])

    async def look() -> dict[str, Any]:
        found = next(looks)
        if isinstance(found, Exception):
            raise found
        return found

    state = LiveState("graph", look, pause=0)
    running = asyncio.create_task(state.run())
    try:
        async with aclosing(state.watch()) as events:
            _, failed = await anext(events)
            assert failed["error"]["message"] == "this cannot be shown now: ValueError"
            assert await anext(events) == ("graph", {"nodes": []})
    finally:
        running.cancel()


async def test_watchers_share_one_question_and_nobody_asks_for_nobody() -> None:
    asked: list[Mapping[str, Any]] = []

    async def ask(command: str, arguments: Mapping[str, Any]) -> Answer:
        asked.append({command: arguments})
        return Answer(0, {"services": [len(asked)]})

    services = live_services(ask, pause=0)
    running = asyncio.create_task(services.run())
    try:
        await asyncio.sleep(0)
        assert asked == []
        async with aclosing(services.watch()) as one, aclosing(services.watch()) as other:
            first = await asyncio.gather(anext(one), anext(other))
            assert first[0][1]["services"] == first[1][1]["services"] == [1]
            name, second = await anext(one)
            assert name == "services"
            assert second["services"] > [1]
        for _turn in range(3):
            await asyncio.sleep(0)
        before = len(asked)
        for _turn in range(10):
            await asyncio.sleep(0)
        assert len(asked) == before
    finally:
        running.cancel()


def test_an_event_is_one_block_whatever_is_in_it() -> None:
    assert encode("log", {"msg": "a\n\nb\r"}) == b'event: log\ndata: {"msg":"a\\n\\nb\\r"}\n\n'


async def test_a_stream_ends_with_its_source() -> None:
    async def two() -> AsyncGenerator[tuple[str, Any], None]:
        yield "one", 1
        yield "two", 2

    body = b"".join([part async for part in encoded(two())])
    assert body == b": hello\n\nevent: one\ndata: 1\n\nevent: two\ndata: 2\n\n"
