"""Exponential backoff (pure)."""

from __future__ import annotations


def backoff(retry: int, *, first: float, longest: float, factor: float = 2.0) -> float:
    """Return the seconds before a retry, counted from 0: `first`, multiplied by `factor` each time, up to `longest`."""
    try:
        return min(first * factor**retry, longest)
    except OverflowError:  # retries may go on for months
        return longest
