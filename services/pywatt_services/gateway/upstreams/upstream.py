"""The state of one upstream: its requests in flight, its circuit breaker, its health."""

from __future__ import annotations

from pywatt.circuit_breaker import Breaker, BreakerPolicy, BreakerState
from pywatt.http.client.address import Location
from pywatt.mesh.address import Destination
from pywatt_services.gateway.upstreams.options import HealthCheck


class Upstream:
    """One upstream, shared by all routes that have it with the same rules."""

    __slots__ = (
        "_breaker",
        "_open_until",
        "_trial",
        "authority",
        "destination",
        "health_check",
        "healthy",
        "in_flight",
        "name",
    )

    def __init__(
        self,
        name: str,
        location: Location[Destination],
        breaker: BreakerPolicy | None = None,
        health_check: HealthCheck | None = None,
    ) -> None:
        """`name`: its origin, for messages."""
        self.name = name
        self.destination = location.destination
        self.authority = location.authority.decode()
        self.health_check = health_check
        self.in_flight = 0
        self.healthy = True
        """False while its health checks fail."""
        self._breaker = None if breaker is None else Breaker(breaker)
        self._open_until = 0.0
        self._trial = False
        """True while one request tries whether it is back."""

    def available(self, now: float) -> bool:
        """Tell whether it may get a request."""
        if not self.healthy:
            return False
        breaker = self._breaker
        if breaker is None or breaker.state is BreakerState.CLOSED:
            return True
        return now >= self._open_until and not self._trial

    @property
    def state(self) -> str:
        """Its state in a word, for messages."""
        if not self.healthy:
            return "its health checks fail"
        return "its circuit breaker is open" if self._breaker is not None else "it is in use"

    def begin(self) -> None:
        """Count a request in."""
        self.in_flight += 1
        breaker = self._breaker
        if breaker is not None and breaker.state is not BreakerState.CLOSED:
            breaker.try_one()
            self._trial = True

    def end(self) -> None:
        """Count a request out."""
        self.in_flight -= 1
        self._trial = False

    def succeeded(self) -> bool:
        """Note an answer; return whether the breaker closes."""
        breaker = self._breaker
        if breaker is None:
            return False
        before = breaker.state
        breaker.succeeded()
        return before is not BreakerState.CLOSED

    def failed(self, now: float) -> bool:
        """Note a failure; return whether the breaker opens."""
        breaker = self._breaker
        if breaker is None:
            return False
        before = breaker.state
        breaker.failed(now)
        if breaker.state is not BreakerState.OPEN or before is BreakerState.OPEN:
            return False
        self._open_until = now + breaker.pause
        return before is BreakerState.CLOSED
