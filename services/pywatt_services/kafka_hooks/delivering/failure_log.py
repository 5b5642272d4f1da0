"""Logs a target's failures and dead letters, many in one line: one line each would be one per record."""

from __future__ import annotations

import asyncio
import logging

from pywatt_services.diagnostics.log_throttle import INTERVAL, LogThrottle
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt

logger = logging.getLogger("pywatt.kafka_hooks")


class FailureLog:
    """The warnings about one target."""

    def __init__(self, target: str, attempts: int, topic: str | None, *, interval: float = INTERVAL) -> None:
        """`target`: as it may be shown. `attempts`: of each record. `topic`: of dead letters. `interval`: seconds."""
        self._target = target
        self._topic = topic
        self._attempts = attempts
        self._interval = interval
        self.failing = False
        """True if the last attempt failed."""
        self._throttle = LogThrottle()
        self._untold = 0
        self._dead = 0
        self._last = ""
        self._timer: asyncio.TimerHandle | None = None

    def failed(self, delivery: Delivery, attempt: Attempt) -> None:
        """Log that the target begins to fail."""
        if not self.failing and self._throttle.due():
            logger.warning(
                "%s fails: attempt %d of %d with %s, %s",
                self._target, delivery.attempts, self._attempts, delivery.place, attempt.outcome,
            )  # fmt: skip
        self.failing = True

    def dead_lettered(self, delivery: Delivery) -> None:
        """Log a dead letter: the first at once, later ones together."""
        self._dead += 1
        self._untold += 1
        outcome = delivery.failures[-1].outcome if delivery.failures else "no attempt is left"
        self._last = f"{delivery.place}, which {self._target} did not take: {outcome}"
        if self._timer is None:
            self._tell()
            self._wait()

    def close(self) -> None:
        """Log the rest."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._tell()

    def _tell(self) -> None:
        if self._untold:
            logger.warning(
                "dead letters in %s: %d more, %d in all; last: %s", self._topic, self._untold, self._dead, self._last
            )
            self._untold = 0

    def _rest(self) -> None:
        """Log those that came meanwhile; after an interval without one, the next is logged at once again."""
        self._timer = None
        if self._untold:
            self._tell()
            self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval, self._rest)
