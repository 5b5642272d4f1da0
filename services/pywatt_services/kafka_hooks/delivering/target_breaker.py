"""The circuit breakers of one worker. There is one per target: everything that is sent there waits for it together.

A target is a URL as it is configured, without its query. Of one origin's paths one may fail while another is well, so
that a breaker per origin would hold up what could be delivered.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from pywatt.circuit_breaker import Breaker, BreakerPolicy, BreakerState
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.templates import shown

logger = logging.getLogger("pywatt.kafka_hooks")


class Member(Protocol):
    """Delivers to the target."""

    def leave_alone(self) -> None:
        """Start nothing until told otherwise."""
        ...

    def try_one(self) -> None:
        """Start with one record, now or when there is one, unless calls are still under way."""
        ...

    def go_on(self) -> None:
        """Start as much as is allowed."""
        ...

    def give_up_aged(self) -> None:
        """Make dead letters of the records that were tried and are past their age."""
        ...


class TargetBreaker(Breaker):
    """The breaker of one target, and its members."""

    def __init__(
        self,
        target: str,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = monotonic,
        later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        """`target`: for the log. `later` calls after a number of seconds; None: the event loop's."""
        super().__init__(policy)
        self._later = later or (lambda seconds, call: asyncio.get_running_loop().call_later(seconds, call))
        self._target = target
        self._clock = clock
        self._members: list[Member] = []
        self._trying: Member | None = None
        """The member that tries a record while the breaker is half open; None: the first with a record."""

    def join(self, member: Member) -> None:
        """Add a member, and tell it from now on what the breaker does."""
        self._members.append(member)
        if self.state is not BreakerState.CLOSED:
            member.leave_alone()

    def succeeded(self) -> None:
        """Note that an attempt showed the target to be alive; an open breaker closes, and all members go on."""
        before = self.state
        super().succeeded()
        if before is not BreakerState.CLOSED:
            logger.info("%s answers again: deliveries go on", self._target)
            for member in self._members:
                member.go_on()

    def troubled(self, outcome: str, asked: float = 0.0) -> bool:
        """Note that an attempt showed the target to be in trouble; return whether it counts as one of the record's.

        When the breaker is open, or opens by it, it does not: the target is to blame, not the record. `asked`: seconds
        for which the target asks for a pause.
        """
        before = self.state
        self.failed(self._clock())
        if self.state is BreakerState.CLOSED:
            return True
        if before is BreakerState.OPEN:
            return False
        if before is BreakerState.CLOSED:
            logger.warning(
                "%s fails again and again (%s): its records wait, and every %g s one of them is tried",
                self._target, outcome, self.pause,
            )  # fmt: skip
        for member in self._members:
            member.leave_alone()
        self._later(max(self.pause, asked), self._pause_over)
        if before is BreakerState.HALF_OPEN:
            for member in self._members:
                member.give_up_aged()
        return False

    def begun(self, member: Member) -> None:
        """Note that a member has started with a record."""
        if self._is_anybodys:
            self._trying = member
            self._members.remove(member)
            for other in self._members:
                other.leave_alone()
            self._members.append(member)  # the next time it is another's turn

    def ended(self, member: Member) -> None:
        """Note that a member has fewer calls under way, or none."""
        if self.state is BreakerState.HALF_OPEN and self._trying in (None, member):
            self._offer()

    @property
    def _is_anybodys(self) -> bool:
        """True if one record may be tried, and no member has begun."""
        return self.state is BreakerState.HALF_OPEN and self._trying is None

    def _pause_over(self) -> None:
        self.try_one()
        if self.state is BreakerState.HALF_OPEN:
            self._offer()

    def _offer(self) -> None:
        self._trying = None
        for member in list(self._members):
            if self._is_anybodys:
                member.try_one()


class TargetBreakers:
    """The breakers of one worker."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, BreakerPolicy], TargetBreaker] = {}

    def of(self, options: WebhookOptions) -> TargetBreaker | None:
        """Return the breaker for an entry; entries with the same target and settings share one."""
        if options.breaker is None:
            return None
        name = shown(options.url), options.breaker
        if name not in self._known:
            self._known[name] = TargetBreaker(*name)
        return self._known[name]
