"""The heartbeat of a worker as the supervisor sees it: unanswered time and event-loop delay (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class HeartbeatState:
    """The pings and answers of one worker; at most one ping is unanswered at a time."""

    silence: float = 0.0
    """Seconds for which the last ping has been unanswered."""
    gauges: Mapping[str, float] = field(default_factory=dict)
    """The gauges of the worker's last answer."""
    awaited: bool = False
    """True if a ping is unanswered."""
    _delay: float = 0.0

    @property
    def delay(self) -> float:
        """Seconds by which the event loop is late."""
        return max(self._delay, self.silence)

    def asked(self) -> None:
        """Note that a ping was sent."""
        self.awaited = True

    def answered(self, delay: float, gauges: Mapping[str, float]) -> None:
        """Note the answer."""
        self._delay, self.gauges = delay, gauges
        self.silence, self.awaited = 0.0, False

    def passed(self, seconds: float) -> None:
        """Count elapsed seconds in which an answer would have been heard."""
        if self.awaited:
            self.silence += seconds
