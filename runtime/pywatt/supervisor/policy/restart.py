"""Restart policy of ended workers (pure): OTP's restart types, exponential backoff with jitter.

A slot whose worker failed more often within a period than its intensity allows is in a crash loop: it is still tried,
but rarely, until it has run stably or the user steps in (a command, a changed file).
"""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.backoff import backoff
from pywatt.config.model import RestartConfig, RestartPolicy

FIRST_DELAY = 0.1
"""Seconds before the second replacement in a row; the first one comes at once."""
GROWTH = 1.5
STABLE_TIME = 30.0
"""Seconds that a worker must have been ready for its earlier failures to be forgotten."""
JITTER = 0.2
"""Share of the delay by which it is spread, so that workers which failed together do not start together."""


@dataclass(frozen=True, slots=True)
class RestartHistory:
    """The failures of a slot so far."""

    failures: int = 0
    """Number of failures in a row, without a stable time between them."""
    times: tuple[float, ...] = ()
    """Times of the failures within the policy's period, by the supervisor's clock."""


@dataclass(frozen=True, slots=True)
class StartAgain:
    """Start a replacement after `delay` seconds."""

    delay: float
    crash_loop: bool


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Start no replacement."""

    failed: bool
    """True if that is a failure, or the end that the service was made for."""


Decision = StartAgain | GiveUp


def after_exit(
    history: RestartHistory, policy: RestartConfig, *, exit_code: int, ready_seconds: float, now: float, random: float
) -> tuple[RestartHistory, Decision]:
    """Return the new history and the decision for an ended worker; `ready_seconds` is 0 if it was never ready.

    `random` is in [0, 1).
    """
    clean = exit_code == 0
    if policy.policy is RestartPolicy.TEMPORARY or (policy.policy is RestartPolicy.TRANSIENT and clean):
        return RestartHistory(), GiveUp(failed=not clean)
    recent = tuple(time for time in history.times if now - time < policy.period)
    failures = 1 if ready_seconds >= STABLE_TIME else history.failures + 1
    history = RestartHistory(failures, (*recent, now))
    crash_loop = len(history.times) > policy.intensity
    return history, StartAgain(_delay(failures, policy, random), crash_loop)


def _delay(failures: int, policy: RestartConfig, random: float) -> float:
    if failures <= 1:
        return policy.delay
    delay = backoff(failures - 2, first=FIRST_DELAY, longest=policy.longest_delay, factor=GROWTH)
    return max(policy.delay, delay * (1 + JITTER * (2 * random - 1)))
