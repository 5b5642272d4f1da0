"""Health policy of running workers: replace or kill one for its memory, loop delay or CPU usage (pure)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pywatt.config.model import HealthConfig

FAR_BEYOND = 1.5
"""Times its memory limit at which a worker is killed at once rather than replaced without a gap."""
_MEGABYTE = 1024 * 1024


class HealthAction(enum.Enum):
    """The ways to end a worker."""

    REPLACE = "replaced once another one serves"
    KILL = "killed"


@dataclass(frozen=True, slots=True)
class HealthDecision:
    """An action on a worker, and the reason for it."""

    action: HealthAction
    reason: str


@dataclass(frozen=True, slots=True)
class HealthHistory:
    """The health checks of a worker so far."""

    failed: int = 0
    """Number of checks in a row."""
    last: float | None = None
    """Time of the last check, by the supervisor's clock."""


def over_memory(used: int, limit: int, *, ready_seconds: float, grace_period: float) -> HealthDecision | None:
    """Return the decision about a worker that uses `used` bytes; None: it stays."""
    reason = f"it uses {_megabytes(used)} of memory, and its limit is {_megabytes(limit)} (maxMemory)"
    if used > limit * FAR_BEYOND:
        return HealthDecision(HealthAction.KILL, reason)
    if used > limit and ready_seconds >= grace_period:
        return HealthDecision(HealthAction.REPLACE, reason)
    return None


def after_health_check(
    history: HealthHistory, config: HealthConfig, *, delay: float, cpu: float | None, ready_seconds: float, now: float
) -> tuple[HealthHistory, HealthDecision | None]:
    """Return the new history and the decision, given the present loop delay (seconds) and share of a core.

    `cpu` None: not known yet. Nothing changes before the next check is due.
    """
    watched = config.max_loop_delay is not None or config.max_cpu is not None
    too_soon = history.last is not None and now - history.last < config.interval
    if not watched or too_soon or ready_seconds < config.grace_period:
        return history, None
    reason = ""
    if config.max_loop_delay is not None and delay > config.max_loop_delay:
        reason = f"its event loop is {delay * 1000:.0f} ms late (health.maxEventLoopDelay)"
    elif config.max_cpu is not None and cpu is not None and cpu > config.max_cpu:
        reason = f"it uses {cpu:.0%} of a core (health.maxELU)"
    history = HealthHistory(history.failed + 1 if reason else 0, now)
    if history.failed < config.max_unhealthy_checks:
        return history, None
    times = f"the {history.failed} last checks failed: " if history.failed > 1 else ""
    return HealthHistory(0, now), HealthDecision(HealthAction.REPLACE, times + reason)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.0f} MB"
