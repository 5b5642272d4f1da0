"""A circuit breaker: when a target fails again and again it is left alone for a while, then tried with one request.

Without one, webhooks whose target is away for a minute send everything of that minute to the dead-letter topic, and a
gateway holds clients for an upstream that cannot answer. Pure: time is given to it, and waiting is up to its owner.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """Rules for opening, and for how long."""

    failures: int = 10
    """Attempts in a row that fail ..."""
    window: float = 60.0
    """... within this number of seconds."""
    pause: float = 10.0
    """Seconds until the target is tried again."""


class BreakerState(enum.Enum):
    """State of a circuit breaker: which attempts are made."""

    CLOSED = "closed"
    """All of them."""
    OPEN = "open"
    """None."""
    HALF_OPEN = "half-open"
    """One at a time, to see whether the target is back."""


class Breaker:
    """The breaker of one target."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._failed: deque[float] = deque(maxlen=policy.failures)
        """Times of the last failures without a success between them."""
        self.state = BreakerState.CLOSED

    @property
    def pause(self) -> float:
        """Seconds from opening to `try_one`."""
        return self._policy.pause

    def succeeded(self) -> None:
        """Note that an attempt showed the target to be alive."""
        if self._failed:
            self._failed.clear()
        self.state = BreakerState.CLOSED

    def failed(self, now: float) -> None:
        """Note that an attempt showed the target to be in trouble; `now`: seconds of a steady clock."""
        if self.state is BreakerState.OPEN:
            return  # it began before
        self._failed.append(now)
        if self.state is BreakerState.HALF_OPEN or (
            len(self._failed) == self._policy.failures and now - self._failed[0] <= self._policy.window
        ):
            self.state = BreakerState.OPEN

    def try_one(self) -> None:
        """Note that the pause is over."""
        if self.state is BreakerState.OPEN:
            self.state = BreakerState.HALF_OPEN
