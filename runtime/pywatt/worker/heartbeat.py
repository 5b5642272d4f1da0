"""A worker's sign of life: answers the supervisor's pings from its event loop, so a loop that hangs answers none.

Nothing here wakes the worker up by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from pywatt.channel.messages import Ping, Pong
from pywatt.logs.pywatt_logger import pywatt_logger

logger = pywatt_logger("pywatt.worker")

Gauge = Callable[[], float]

WAITING = "waiting"
"""Requests that were taken and not answered yet."""
KAFKA_LAG = "kafkaLag"
"""Records of this worker's partitions that are not done yet."""


def lag_gauge(service_id: str) -> str:
    """Return the name of the gauge by which the health service reports the lag of a whole other service."""
    return f"{KAFKA_LAG}:{service_id}"


class Heartbeat:
    """Makes the answers."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: that of the pings, CLOCK_MONOTONIC, which all processes of a machine share."""
        self._clock = clock
        self.observe: Callable[[float], None] | None = None
        """Takes each delay of the event loop in seconds."""
        self._gauges: dict[str, Gauge] = {}

    def gauge(self, name: str, read: Gauge) -> None:
        """Report a number by that name with every sign of life."""
        self._gauges[name] = read

    def answer(self, ping: Ping) -> Pong:
        """Return the answer; the time that the ping has waited is how late the event loop is."""
        delay = max(0.0, self._clock() - ping.sent)
        if self.observe is not None:
            self.observe(delay)
        return Pong(delay, self._read())

    def _read(self) -> Mapping[str, float]:
        values = {}
        for name, read in list(self._gauges.items()):
            try:
                values[name] = float(read())
            except Exception:
                # A fault in what is only measured must not end the worker.
                logger.exception("%s cannot be measured, and is not any more", name)
                del self._gauges[name]
        return values
