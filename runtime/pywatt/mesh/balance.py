"""Balances calls over the workers of a service."""

from __future__ import annotations

from collections.abc import Sequence


def least_busy(in_flight: Sequence[int], turn: int) -> int:
    """Return the index of the smallest number; among equals they take turns."""
    least = min(in_flight)
    equals = [index for index, calls in enumerate(in_flight) if calls == least]
    return equals[turn % len(equals)]
