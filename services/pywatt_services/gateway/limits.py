"""The gateway's bounds towards clients; durations in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.http.limits import ConnectionLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits(ConnectionLimits):
    """How long clients and services may take."""

    head_timeout: float = 30.0
    """From the first byte of a head (of a new connection: from its start) to its end."""
    body_timeout: float = 60.0
    """Without a byte of a request's body."""
    keep_alive: float = 75.0
    """Without a further request."""
    response_timeout: float = 300.0
    """From the end of a request to the head of its response. Original: `applicationTimeout`."""
