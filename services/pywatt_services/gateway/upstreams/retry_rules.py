"""Decides whether a request is sent again, within a budget (pure)."""

from __future__ import annotations

from pywatt_services.gateway.upstreams.options import Retries

RESERVE = 10.0
"""Retries that are allowed at any time, before requests have earned some."""
RESERVE_PER_SECOND = 1.0
"""Retries that a route earns in each second without requests."""


class RetryBudget:
    """Allows a share of the requests as retries.

    Every request earns a part of a retry, and each retry takes one: while all requests fail, they arrive at the
    upstream 1.2 times, and not three times.
    """

    def __init__(self, share: float, now: float) -> None:
        self._share = share
        self._tokens = RESERVE
        self._most = max(RESERVE, 100 * share)
        self._at = now

    def earn(self) -> None:
        """Note a request."""
        self._tokens = min(self._tokens + self._share, self._most)

    def take(self, now: float) -> bool:
        """Take a retry, if there is one."""
        self._tokens = min(self._tokens + (now - self._at) * RESERVE_PER_SECOND, self._most)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


def may_send_again(rules: Retries, cause: str, method: bytes, *, retries: int, body_kept: bool) -> bool:
    """Tell whether a request may be sent again after a failure, if the budget allows it.

    `cause`: one of CAUSES. `retries`: those already made. `body_kept`: what has come of the body is still there.
    """
    if cause not in rules.on or retries >= rules.count or not body_kept:
        return False
    return cause == "connect" or method.decode("latin-1") in rules.methods
