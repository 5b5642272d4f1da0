"""The limits of a mesh client."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.http.client.limits import ClientLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshLimits(ClientLimits):
    """Limits of calls to services of the app; durations in seconds."""

    wait: float = 30.0
    """For a ready worker, counted per call."""
    failing: float = 5.0
    """For a ready worker of a service that has failed or is in a crash loop, while one is being started; otherwise such
    calls fail at once."""
    waiting: int = 1024
    """Calls that may wait for a ready worker at once; more fail immediately."""
    drain: float = 10.0
    """For calls in flight to a worker that is going away, before it may be asked to stop."""
