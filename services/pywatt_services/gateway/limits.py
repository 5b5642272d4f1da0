"""The gateway's limits towards clients and services; durations in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.http.limits import ConnectionLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits(ConnectionLimits):
    """Timeouts of clients and services."""

    response_timeout: float = 300.0
    """From the end of a request to the head of its response. Original: `applicationTimeout`."""
