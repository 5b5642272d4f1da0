"""Success and failure thresholds of probes, as in Kubernetes (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.config.model import ProbeConfig


@dataclass(frozen=True, slots=True)
class ProbeState:
    """The outcome of a probe's answers so far."""

    passing: bool | None = None
    """None: not enough answers yet."""
    streak: int = 0
    """Number of equal answers in a row, the last one included."""
    reason: str = ""
    """The problem that the last answer reported."""


def after_answer(state: ProbeState, reason: str, probe: ProbeConfig) -> ProbeState:
    """Return the state after one more answer; `reason`: the reported problem, or nothing."""
    alike = bool(state.reason) == bool(reason) and state.streak
    streak = state.streak + 1 if alike else 1
    passing = state.passing
    if streak >= (probe.failure_threshold if reason else probe.success_threshold):
        passing = not reason
    return ProbeState(passing, streak, reason)
