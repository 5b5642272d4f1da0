"""The gateway's bounds towards clients; durations in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from pywatt.http.request_reader import HeadLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLimits:
    """How long clients and services may take."""

    head: HeadLimits = field(default_factory=HeadLimits)
    head_timeout: float = 30.0
    """From the first byte of a head (of a new connection: from its start) to its end."""
    body_timeout: float = 60.0
    """Without a byte of a request's body."""
    keep_alive: float = 75.0
    """Without a further request."""
    response_timeout: float = 300.0
    """From the end of a request to the head of its response. Original: `applicationTimeout`."""
    write_timeout: float = 60.0
    """For which a client may leave bytes untaken that the kernel cannot hold."""
    linger: float = 2.0
    """For which a connection is read, and what comes thrown away, after an answer that came before the request's end:
    closing at once would destroy the answer on its way."""
