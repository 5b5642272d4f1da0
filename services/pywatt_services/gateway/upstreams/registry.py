"""The upstreams of all routes of a gateway, and the timeouts of their requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pywatt.http.client.timeout_queue import TimeoutQueue
from pywatt_services.gateway.upstreams.upstream import Upstream


@dataclass(slots=True)
class UpstreamRegistry:
    """The state that the routes of one worker share."""

    clock: Callable[[], float] = time.monotonic
    upstreams: dict[object, Upstream] = field(default_factory=dict)
    """By what tells them apart: address, host, rules."""
    mirrored: int = 0
    """Copies of requests that are being sent."""
    _timeouts: dict[float, TimeoutQueue] = field(default_factory=dict)

    def timeouts(self, seconds: float) -> TimeoutQueue:
        """Return the queue of a timeout; the configuration has only a few different ones."""
        queue = self._timeouts.get(seconds)
        if queue is None:
            queue = self._timeouts[seconds] = TimeoutQueue(seconds)
        return queue
