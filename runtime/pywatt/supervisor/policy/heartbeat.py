"""What a worker's signs of life say about its event loop (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Pulse:
    """One worker's: at most one ping is unanswered at a time."""

    silence: float = 0.0
    """Seconds for which the ping that was sent last has been unanswered."""
    gauges: Mapping[str, float] = field(default_factory=dict)
    """What the worker measures, by its last answer."""
    awaited: bool = False
    """Whether a ping is unanswered."""
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
        """Note that so much time has gone by, in which an answer would have been heard."""
        if self.awaited:
            self.silence += seconds
