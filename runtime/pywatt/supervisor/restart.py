"""When a worker that failed is started again (pure): exponential backoff with jitter, forgotten after a stable time."""

from __future__ import annotations

from dataclasses import dataclass, replace

FIRST_DELAY = 0.1
"""Seconds before the second replacement in a row; the first one comes at once."""
GROWTH = 1.5
LONGEST_DELAY = 15.0
STABLE_TIME = 30.0
"""Seconds that a worker must have been ready for its earlier failures to be forgotten."""
JITTER = 0.2
"""Share of the delay by which it is spread, so that workers which failed together do not start together."""


@dataclass(frozen=True, slots=True)
class RestartHistory:
    """How often in a row a worker slot has failed."""

    failures: int = 0


def after_exit(history: RestartHistory, ready_seconds: float) -> RestartHistory:
    """Return the history after a worker ended that had been ready for so long (0: it never was)."""
    if ready_seconds >= STABLE_TIME:
        return RestartHistory(failures=1)
    return replace(history, failures=history.failures + 1)


def restart_delay(history: RestartHistory, *, minimum: float, random: float) -> float:
    """Return the seconds to wait before the next start. `random` is in [0, 1)."""
    if history.failures <= 1:
        return minimum
    # The exponent is bounded before it is used: a worker may fail for months.
    steps = min(history.failures - 2, 64)
    delay = min(FIRST_DELAY * GROWTH**steps, LONGEST_DELAY)
    return max(minimum, delay * (1 + JITTER * (2 * random - 1)))
