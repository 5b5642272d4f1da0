"""What happens to a record after an attempt at its webhook: a pure decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

SUCCESS = range(200, 300)
"""Statuses that mean delivered. Redirects are not followed and count as failures, other than in the original."""

NETWORK_ERROR = "network_error"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how many seconds apart a webhook is tried. Original: `retries` (attempts in all), `retryDelay`."""

    attempts: int = 3
    delay: float = 1.0


@dataclass(frozen=True, slots=True)
class Done:
    """The webhook took the record."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after so many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """No further attempt; the reason in the original's words: `http_<status>` or `network_error`."""

    reason: str


Decision: TypeAlias = Done | Retry | DeadLetter

_DONE = Done()


def decide(status: int | None, attempt: int, policy: RetryPolicy) -> Decision:
    """Decide after the attempt with that number (from 1) ended with `status`, or with None: without an answer."""
    if status is not None and status in SUCCESS:
        return _DONE
    if attempt < policy.attempts:
        return Retry(policy.delay)
    return DeadLetter(NETWORK_ERROR if status is None else f"http_{status}")
