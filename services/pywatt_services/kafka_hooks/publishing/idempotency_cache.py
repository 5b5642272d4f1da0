"""Caches the first response to each idempotency key for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

KEPT = 10_000  # answers; the oldest are forgotten first

KeyT = TypeVar("KeyT", bound=Hashable)
ResponseT = TypeVar("ResponseT")


@dataclass(slots=True, eq=False)
class CachedRequest(Generic[ResponseT]):
    """The first request with a key, and its response."""

    fingerprint: bytes
    """Digest that tells a repeated request from another one with the same key."""
    since: float
    response: ResponseT | None = None
    """None until it is known."""
    waiting: list[Callable[[ResponseT], None]] = field(default_factory=list)


class IdempotencyCache(Generic[KeyT, ResponseT]):
    """The cache of one worker."""

    def __init__(self, window: float, *, kept: int = KEPT, clock: Callable[[], float] = monotonic) -> None:
        """`window`: seconds for which a key is known."""
        self._window = window
        self._kept = kept
        self._clock = clock
        self._requests: dict[KeyT, CachedRequest[ResponseT]] = {}
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._requests)

    def find(self, key: KeyT) -> CachedRequest[ResponseT] | None:
        """Return the first request with that key, if it is still known."""
        request = self._requests.get(key)
        return None if request is None or self._clock() - request.since > self._window else request

    def begin(self, key: KeyT, fingerprint: bytes) -> None:
        """Note that the first request with a key is being served."""
        now = self._clock()
        while self._requests:
            first, request = next(iter(self._requests.items()))
            fresh = now - request.since <= self._window
            if fresh and (request.response is None or len(self._requests) < self._kept):
                break
            del self._requests[first]
        self._requests.pop(key, None)
        self._requests[key] = CachedRequest(fingerprint, now)

    def end(self, key: KeyT, response: ResponseT, *, keep: bool) -> None:
        """Respond to all that wait; `keep` the response for later requests."""
        request = self._requests.get(key) if keep else self._requests.pop(key, None)
        if request is None:
            return
        waiting, request.waiting = request.waiting, []
        if keep:
            request.response = response
        for told in waiting:
            told(response)
        self._settled.set()

    def unanswered(self) -> int:
        """Return the number of requests without a response."""
        return sum(request.response is None for request in self._requests.values())

    async def settled(self) -> None:
        """Wait until no request is being served."""
        while self.unanswered():
            self._settled.clear()
            await self._settled.wait()

    def entries(self) -> Iterator[tuple[KeyT, CachedRequest[ResponseT], float]]:
        """Yield the cached requests with their keys and ages in seconds."""
        now = self._clock()
        for key, request in self._requests.items():
            if request.response is not None and now - request.since <= self._window:
                yield key, request, now - request.since

    def adopt(self, key: KeyT, fingerprint: bytes, response: ResponseT, age: float) -> None:
        """Add another worker's entry, unless the key is known here."""
        if key not in self._requests:
            self._requests[key] = CachedRequest(fingerprint, self._clock() - age, response)
