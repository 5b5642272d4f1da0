"""The bounds of a client's connection that every server here has."""

from __future__ import annotations

from dataclasses import dataclass, field

from pywatt.http.request_reader import HeadLimits

MAX_HELD = 64 * 1024
"""Bytes behind the current request above which a client has to wait."""
RESUME_HELD = 16 * 1024
"""Bytes down to which they have to be read before the client may send on."""
WRITE_BUFFER = 256 * 1024
"""Bytes that the kernel has not taken yet, above which no further request is begun, and whoever writes has to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """How large a head may be, and how many seconds a client may take to take its answers."""

    head: HeadLimits = field(default_factory=HeadLimits)
    write: float = 60.0
    """For which a client may leave bytes untaken that the kernel cannot hold, also when the connection is to close."""
    linger: float = 2.0
    """For which a connection is read, and what comes thrown away, after an answer that came before the request's end:
    closing at once would destroy the answer on its way."""
