"""Notices from a thread that the event loop hangs, as in a handler that blocks it."""

from __future__ import annotations

import time
from collections.abc import Callable

ASK_INTERVAL = 1.0  # seconds between two questions
SILENCE = 2.0  # seconds without an answer after which the event loop counts as hanging


class LoopWatch:
    """Asks the event loop for signs of life."""

    def __init__(
        self,
        post: Callable[[Callable[[], object]], None],
        *,
        came_back: Callable[[], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`post` calls a function in the event loop. `came_back` is called there when it answers after a silence."""
        self._post = post
        self._came_back = came_back
        self._clock = clock
        self._answered_at = clock()
        self._asked_at: float | None = None

    def is_silent(self) -> bool:
        """Return whether the event loop hangs; to be called often, in one thread."""
        now, asked_at = self._clock(), self._asked_at
        if asked_at is not None:
            return now - asked_at > SILENCE
        if now - self._answered_at >= ASK_INTERVAL:
            self._asked_at = now
            self._post(self._answer)
        return False

    def _answer(self) -> None:
        """Answer; called in the event loop."""
        now, asked_at = self._clock(), self._asked_at
        self._answered_at, self._asked_at = now, None
        if asked_at is not None and now - asked_at > SILENCE:
            self._came_back()
