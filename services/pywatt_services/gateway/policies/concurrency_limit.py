"""Limits the requests of a route that are served at the same time; further ones wait, the oldest first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pywatt.http.server.errors import RETRY_AFTER
from pywatt_services.gateway.policies.verdict import Later, PolicyRequest, Verdict, refusal

BUSY = refusal(503, "the service has too many requests at the moment; try again later", RETRY_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyOptions:
    """Requests at the same time, in one worker of the gateway."""

    limit: int
    waiting: int = 1000
    """Requests that may wait."""
    timeout: float = 10.0
    """Seconds that a request waits at most."""


def read_concurrency(document: Mapping[str, Any]) -> ConcurrencyOptions:
    """Read the block."""
    return ConcurrencyOptions(
        limit=document["max"],
        waiting=document.get("maxWaiting", 1000),
        timeout=document.get("timeout", 10_000) / 1000,
    )


class ConcurrencyLimit:
    """Counts the requests of one route in one worker."""

    def __init__(self, options: ConcurrencyOptions) -> None:
        self._options = options
        self._free = options.limit
        self._waiting: deque[asyncio.Future[None]] = deque()

    def check(self, request: PolicyRequest) -> Verdict | Later:
        """Admit the request now, when another one has ended, or never."""
        if self._free:
            self._free -= 1
            request.ended = self._release
            return None
        if len(self._waiting) >= self._options.waiting:
            return BUSY
        # It gets its place in the queue here, and has a way to leave it, before its task first runs.
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        request.ended = partial(self._give_up, turn)
        return Later(partial(self._wait, request, turn))

    async def _wait(self, request: PolicyRequest, turn: asyncio.Future[None]) -> Verdict:
        try:
            async with asyncio.timeout(self._options.timeout):
                await turn
        except TimeoutError:
            request.ended = None
            self._give_up(turn)
            return BUSY
        request.ended = self._release
        return None

    def _give_up(self, turn: asyncio.Future[None]) -> None:
        if turn in self._waiting:
            self._waiting.remove(turn)
        elif turn.done() and not turn.cancelled():
            self._release()  # its turn had come

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
