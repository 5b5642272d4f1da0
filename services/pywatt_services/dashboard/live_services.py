"""The services of the app, asked for only while somebody looks, once for all who do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

from pywatt.channel.messages import Answer

SECONDS = 1.0
"""Pause between two looks; one takes 0.2 s, in which CPU is measured."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]


class LiveServices:
    """Snapshot and changes in one stream: the first item is the present state."""

    def __init__(self, ask: Ask, pause: float = SECONDS) -> None:
        self._ask = ask
        self._pause = pause
        self._watchers = 0
        self._watched = asyncio.Event()
        self._changed = asyncio.Condition()
        self._newest: dict[str, Any] | None = None

    async def run(self) -> None:
        """Ask until cancelled."""
        while True:
            await self._watched.wait()
            answer = await self._ask("services", {"usage": True})
            async with self._changed:
                self._newest = {"at": time.time(), "error": answer.error, **(answer.result or {})}
                self._changed.notify_all()
            await asyncio.sleep(self._pause)

    async def watch(self) -> AsyncGenerator[tuple[str, Any], None]:
        """Yield each newer state; a watcher that is slow misses some."""
        self._watchers += 1
        self._watched.set()
        seen: dict[str, Any] | None = None
        try:
            while True:
                async with self._changed:
                    await self._changed.wait_for(lambda: self._newest is not None and self._newest is not seen)  # noqa: B023
                    seen = self._newest
                yield "services", seen
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()
                self._newest = None
