"""A state of the app, asked for only while somebody looks, once for all who do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from pywatt.logs.pywatt_logger import pywatt_logger

Look = Callable[[], Awaitable[dict[str, Any]]]


logger = pywatt_logger("pywatt.dashboard")


class LiveState:
    """Snapshot and changes in one stream: the first item is the present state."""

    def __init__(self, name: str, look: Look, pause: float) -> None:
        """`name`: of its events; `pause`: seconds between two looks."""
        self._name = name
        self._look = look
        self._pause = pause
        self._watchers = 0
        self._watched = asyncio.Event()
        self._changed = asyncio.Condition()
        self._newest: dict[str, Any] | None = None

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._watched.wait()
            try:
                found = await self._look()
            except Exception as error:
                # One view fails, not the dashboard; the next look may go well.
                logger.exception("the dashboard cannot show its %s", self._name)
                reason = f"this cannot be shown now: {type(error).__name__}"
                found = {"at": time.time(), "error": {"message": reason, "hint": "the app's log tells more"}}
            async with self._changed:
                self._newest = found
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
                yield self._name, seen
        finally:
            self._watchers -= 1
            if not self._watchers:
                self._watched.clear()
                self._newest = None
