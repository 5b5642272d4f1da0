"""The limits of a mesh client."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.http.client.limits import ClientLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshLimits(ClientLimits):
    """Limits of calls to services of the app; durations in seconds."""

    wait: float = 30.0
    """Time that a call waits for a ready worker."""
    failing: float = 5.0
    """Time that it waits while a worker of a service that has failed or is in a crash loop is being started; without
    one, calls fail at once."""
    waiting: int = 1024
    """Calls that may wait for a ready worker at once; more fail immediately."""
    drain: float = 10.0
    """Time for calls in flight to a retired worker, before it may be asked to stop."""
