"""The limits of an HTTP client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Timeouts and sizes; durations in seconds, sizes in bytes."""

    connect: float = 5.0
    """Limit of one connection attempt."""
    idle: float = 55.0
    """Time that an unused connection is kept; below the 75 s after which workers close it."""
    response_head: int = 64 * 1024
    response_body: int = 16 * 1024 * 1024
    """Size of a body that `request` takes into memory; streamed bodies have no limit."""
