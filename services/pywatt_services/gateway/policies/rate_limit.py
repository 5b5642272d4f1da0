"""Limits the rate of requests per client, header or route, by the generic cell rate algorithm.

The algorithm keeps one time per key: that at which a client would have used up its requests, one each `interval`
seconds. A client may be ahead of the clock by as many intervals as its burst has requests. So it is a token bucket
whose tokens come back one by one, without a window at whose edge twice the limit passes.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

from pywatt.http.headers import Header
from pywatt_services.gateway.policies.ip_access import parse_ip
from pywatt_services.gateway.policies.verdict import PolicyRequest, Verdict, refusal

HEADER = "header:"
KNOWN_ADDRESSES = 4096
IPV6_PREFIX = 64
"""Bits of an IPv6 address that stand for a client, who has at least such a network to choose addresses from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Requests within a time, in seconds."""

    requests: int
    window: float
    burst: int
    """Requests that may come at once."""
    by: str = "ip"
    """`ip`, `route` (all clients together) or `header:<name>`."""

    @property
    def interval(self) -> float:
        """Seconds after which one more request is admitted."""
        return self.window / self.requests


class Decision(NamedTuple):
    """The decision of a limit on one request; durations in seconds."""

    admitted: bool
    used_up_at: float
    """The time to keep for the key."""
    remaining: int
    """Requests that may follow at once."""
    reset: float
    """Time after which a whole burst is there again."""
    retry_after: float
    """Time after which a refused client may come back."""


def decide(limit: RateLimit, used_up_at: float, now: float) -> Decision:
    """Decide on one request. `used_up_at`: the time that was kept for its key, 0 for none."""
    interval = limit.interval
    # A time that is too far ahead was kept by another limit, or before a restart of the machine.
    current = min(max(used_up_at, now), now + interval * limit.burst)
    following = current + interval
    wait = following - interval * limit.burst - now
    if wait > interval * 1e-6:  # not what rounding leaves
        return Decision(False, current, 0, current - now, wait)
    remaining = int((interval * limit.burst - (following - now)) / interval + 1e-6)
    return Decision(True, following, max(remaining, 0), following - now, 0.0)


class Times(Protocol):
    """The kept times, by key."""

    def update(self, key: bytes, change: Callable[[float], float]) -> None:
        """Replace the time of a key, 0 for a new one, in one step."""
        ...


def read_rate_limit(document: Mapping[str, Any]) -> RateLimit:
    """Read the block."""
    requests: int = document["max"]
    return RateLimit(
        requests=requests,
        window=document.get("timeWindow", 60_000) / 1000,
        burst=document.get("burst", requests),
        by=document.get("by", "ip"),
    )


class RateLimiter:
    """Refuses requests above the limit, and tells clients how much of it is left."""

    def __init__(self, limit: RateLimit, times: Times, clock: Callable[[], float]) -> None:
        self._limit = limit
        self._times = times
        self._clock = clock
        self._header = limit.by.removeprefix(HEADER).lower().encode() if limit.by.startswith(HEADER) else None
        self._by_route = limit.by == "route"
        self._limit_header: Header = (b"ratelimit-limit", b"%d" % limit.burst)

    def check(self, request: PolicyRequest) -> Verdict:
        """Count the request; return the refusal of one above the limit."""
        decision: Decision | None = None
        now = self._clock()

        def change(used_up_at: float) -> float:
            nonlocal decision
            decision = decide(self._limit, used_up_at, now)
            return decision.used_up_at

        self._times.update(self._key(request), change)
        assert decision is not None
        request.added = (
            *request.added,
            self._limit_header,
            (b"ratelimit-remaining", b"%d" % decision.remaining),
            (b"ratelimit-reset", b"%d" % math.ceil(decision.reset)),
        )
        if decision.admitted:
            return None
        retry_after = max(1, math.ceil(decision.retry_after))
        return refusal(429, "there were too many requests; try again later", (b"retry-after", b"%d" % retry_after))

    def _key(self, request: PolicyRequest) -> bytes:
        if self._by_route:
            return b""
        if self._header is not None:
            value = request.header(self._header)
            if value:
                return b"h" + value
        return client_key(request.ip)


@lru_cache(maxsize=KNOWN_ADDRESSES)
def client_key(ip: bytes) -> bytes:
    """Return what stands for a client: its address, or its network of IPv6."""
    address = parse_ip(ip)
    if isinstance(address, ipaddress.IPv6Address):
        return b"i" + address.packed[: IPV6_PREFIX // 8]
    return b"i" + (ip if address is None else address.packed)
