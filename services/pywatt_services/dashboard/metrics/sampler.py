"""Looks at the metrics of the app now and then, more often while somebody looks at them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from pywatt.errors import PywattError
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt_services.dashboard.metrics.history import MetricsHistory

WATCHED_SECONDS, IDLE_SECONDS = 2.0, 15.0
"""Pauses between two looks while somebody looks on, and else."""
STILL_WATCHED = 10.0
"""Seconds for which somebody who has asked is taken to look on."""

Collect = Callable[[str | None], Awaitable[tuple[bool, list[dict[str, Any]]]]]
logger = pywatt_logger("pywatt.dashboard")


class MetricsSampler:
    """The history, and who looks at it."""

    def __init__(self, collect: Collect, clock: Callable[[], float] = time.monotonic) -> None:
        self.history = MetricsHistory()
        self.counting = False
        self.problem = ""
        """The reason why the last look has failed."""
        self._collect = collect
        self._clock = clock
        self._wanted = asyncio.Event()
        self._watched = -STILL_WATCHED

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._wanted.clear()
            await self.look()
            watched = self._clock() - self._watched < STILL_WATCHED
            if watched:
                await asyncio.sleep(WATCHED_SECONDS)
                continue
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Take one look."""
        try:
            self.counting, families = await self._collect(None)
            self.history.add(families, time.time())
            self.problem = ""
        except (PywattError, TimeoutError, OSError) as error:
            self.problem = f"the metrics cannot be collected now: {str(error) or type(error).__name__}"
        except Exception as error:
            logger.exception("the dashboard cannot read the metrics")
            self.problem = f"the metrics cannot be shown: {type(error).__name__}"

    def document(self, after: float) -> dict[str, Any]:
        """Return what is newer than a time, for somebody who looks on."""
        if self._clock() - self._watched >= STILL_WATCHED:
            self._wanted.set()
        self._watched = self._clock()
        return {"counting": self.counting, "problem": self.problem, **self.history.document(after)}
