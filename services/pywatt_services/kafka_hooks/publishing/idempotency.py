"""The first answers to requests with an idempotency key, which the same request gets again for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from time import monotonic
from typing import Generic, TypeVar

KEPT = 10_000  # answers; the oldest are forgotten first

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


@dataclass(slots=True, eq=False)
class Attempt(Generic[Answer]):
    """What came of the first request with a key."""

    fingerprint: bytes
    """What the same request has in common, and another one with the same key has not."""
    since: float
    answer: Answer | None = None
    """None as long as there is none."""
    waiting: list[Callable[[Answer], None]] = field(default_factory=list)


class FirstAnswers(Generic[Key, Answer]):
    """One worker's memory."""

    def __init__(self, window: float, *, kept: int = KEPT, clock: Callable[[], float] = monotonic) -> None:
        """`window`: seconds for which a key is known."""
        self._window = window
        self._kept = kept
        self._clock = clock
        self._attempts: dict[Key, Attempt[Answer]] = {}
        self._settled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._attempts)

    def find(self, key: Key) -> Attempt[Answer] | None:
        """Return the first attempt with that key, if it is still known."""
        attempt = self._attempts.get(key)
        return None if attempt is None or self._clock() - attempt.since > self._window else attempt

    def begin(self, key: Key, fingerprint: bytes) -> None:
        """Note that the first request with a key is being served."""
        now = self._clock()
        while self._attempts:
            first, attempt = next(iter(self._attempts.items()))
            fresh = now - attempt.since <= self._window
            if fresh and (attempt.answer is None or len(self._attempts) < self._kept):
                break
            del self._attempts[first]
        self._attempts.pop(key, None)
        self._attempts[key] = Attempt(fingerprint, now)

    def end(self, key: Key, answer: Answer, *, keep: bool) -> None:
        """Give the answer to all who wait for it; `keep` it for those who come later."""
        attempt = self._attempts.get(key) if keep else self._attempts.pop(key, None)
        if attempt is None:
            return
        waiting, attempt.waiting = attempt.waiting, []
        if keep:
            attempt.answer = answer
        for told in waiting:
            told(answer)
        self._settled.set()

    def unanswered(self) -> int:
        """Return how many requests are being served."""
        return sum(attempt.answer is None for attempt in self._attempts.values())

    async def settled(self) -> None:
        """Wait until no request is being served."""
        while self.unanswered():
            self._settled.clear()
            await self._settled.wait()

    def remembered(self) -> Iterator[tuple[Key, Attempt[Answer], float]]:
        """Yield what is known, with its age in seconds."""
        now = self._clock()
        for key, attempt in self._attempts.items():
            if attempt.answer is not None and now - attempt.since <= self._window:
                yield key, attempt, now - attempt.since

    def adopt(self, key: Key, fingerprint: bytes, answer: Answer, age: float) -> None:
        """Remember what another worker knew; what is known here is not changed."""
        if key not in self._attempts:
            self._attempts[key] = Attempt(fingerprint, self._clock() - age, answer)
