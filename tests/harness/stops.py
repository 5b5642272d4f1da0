"""Plays a supervisor that stops a worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pywatt.service_type import StopRequest


@dataclass
class Stops:
    """A stop request set from the beginning, and a hurry request that the test sets."""

    request: StopRequest
    hurry: asyncio.Future[StopRequest] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def stop_requested(self) -> StopRequest:
        return self.request

    async def hurry_requested(self) -> StopRequest:
        return await asyncio.shield(self.hurry)
