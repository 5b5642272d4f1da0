"""The limits of a client's connection, the same for every HTTP server of pywatt: sizes, buffers and timeouts."""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_HELD = 64 * 1024
"""Bytes received behind the current request above which the connection is not read."""
RESUME_HELD = 16 * 1024
"""Bytes of these that may be left when the connection is read again."""
WRITE_BUFFER = 256 * 1024
"""Bytes that the kernel has not taken yet above which no further request begins, and the writer has to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadLimits:
    """The size of a request's head."""

    size: int = 32 * 1024
    """Bytes of request line and header fields; also of one chunk's extensions, and of all trailers."""
    fields: int = 128
    """Number of header fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """The size of a head, and the timeouts of a client; durations in seconds."""

    head: HeadLimits = field(default_factory=HeadLimits)
    head_timeout: float = 30.0
    """Time from the first byte of a head (of a new connection: from its start) to its end."""
    body_timeout: float = 60.0
    """Time without a byte of a request's body."""
    body_rate: float = 240.0
    """Bytes per second of a body, on an average that is taken from `body_timeout` on, until the response begins; held
    by the servers of workers."""
    keep_alive: float = 75.0
    """Time without a further request: longer than any pool of ours keeps a connection, so that pools close first."""
    write: float = 60.0
    """Time that a client may leave bytes untaken which the kernel cannot hold, also when the connection is to close."""
    linger: float = 2.0
    """Time that a connection is read, and its bytes discarded, after a response that came before the request's end:
    closing at once would destroy the response on its way."""
