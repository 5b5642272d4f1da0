"""When a worker that still answers has to go: too much memory, or unhealthy check after check (pure)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from pywatt.config.model import HealthConfig

FAR_BEYOND = 1.5
"""Times its memory limit at which a worker is killed at once rather than replaced without a gap."""
_MEGABYTE = 1024 * 1024


class Remedy(enum.Enum):
    """What is done about a worker."""

    REPLACE = "replaced once another one serves"
    KILL = "killed"


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a worker has to go, and how."""

    remedy: Remedy
    reason: str


@dataclass(frozen=True, slots=True)
class Checks:
    """What is remembered of a worker's health checks."""

    failed: int = 0
    """In a row."""
    last: float | None = None
    """When the last one was, by the supervisor's clock."""


def over_memory(used: int, limit: int, *, ready_seconds: float, grace_period: float) -> Finding | None:
    """Return what is to be done about a worker that uses so many bytes; None: nothing."""
    reason = f"it uses {_megabytes(used)} of memory, and its limit is {_megabytes(limit)} (maxMemory)"
    if used > limit * FAR_BEYOND:
        return Finding(Remedy.KILL, reason)
    if used > limit and ready_seconds >= grace_period:
        return Finding(Remedy.REPLACE, reason)
    return None


def after_check(
    checks: Checks, config: HealthConfig, *, delay: float, cpu: float | None, ready_seconds: float, now: float
) -> tuple[Checks, Finding | None]:
    """Return the memory of the checks and what is to be done, given the present delay (seconds) and share of a core.

    `cpu` None: not known yet. Nothing changes before the next check is due.
    """
    watched = config.max_loop_delay is not None or config.max_cpu is not None
    too_soon = checks.last is not None and now - checks.last < config.interval
    if not watched or too_soon or ready_seconds < config.grace_period:
        return checks, None
    reason = ""
    if config.max_loop_delay is not None and delay > config.max_loop_delay:
        reason = f"its event loop is {delay * 1000:.0f} ms late (health.maxEventLoopDelay)"
    elif config.max_cpu is not None and cpu is not None and cpu > config.max_cpu:
        reason = f"it uses {cpu:.0%} of a core (health.maxELU)"
    checks = Checks(checks.failed + 1 if reason else 0, now)
    if checks.failed < config.max_unhealthy_checks:
        return checks, None
    times = f"the {checks.failed} last checks failed: " if checks.failed > 1 else ""
    return Checks(0, now), Finding(Remedy.REPLACE, times + reason)


def _megabytes(size: int) -> str:
    return f"{size / _MEGABYTE:.0f} MB"
