"""The bounds of a mesh client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long and how much; durations in seconds, sizes in bytes."""

    wait: float = 30.0
    """For a ready worker, counted per call."""
    failing: float = 5.0
    """For a ready worker of a service that has failed or is in a crash loop, while one is being started; otherwise such
    calls fail at once."""
    waiting: int = 1024
    """Calls that may wait for a ready worker at once; more fail immediately."""
    connect: float = 5.0
    """For one connection attempt."""
    idle: float = 55.0
    """That an unused connection is kept; below the 75 s after which workers close it."""
    drain: float = 10.0
    """For calls in flight to a worker that is going away, before it may be asked to stop."""
    response_head: int = 64 * 1024
    response_body: int = 16 * 1024 * 1024
    """That `request` takes into memory; streamed bodies have no limit."""
