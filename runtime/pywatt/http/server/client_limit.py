"""Limits the clients of a process by its open files, so that some are left to serve them with.

Without a file a server can neither accept a client nor call the service behind it: the event loop closes new
connections without a word, and requests of others wait for calls that cannot be made. HAProxy derives `maxconn` from
the limit of open files in the same way; nginx closes idle connections when `worker_connections` are used up.
"""

from __future__ import annotations

import logging
import resource
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Any, TypeVar

ClientT = TypeVar("ClientT", bound=Any)

OWN_FILES = 64
"""Open files of the process itself."""
LEAST = 16
SAMPLE = 64
"""Clients that are looked at for an idle one."""
INTERVAL = 10.0
"""Seconds between two warnings."""

logger = logging.getLogger("pywatt.http")


def open_files_limit() -> int:
    """Return the soft limit of open files (ulimit -n)."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft


def raise_open_files_limit() -> None:
    """Raise the soft limit of open files to the hard one; not with user code, which may use select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # macOS has a limit below its "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def client_limit(open_files: int) -> int:
    """Return how many clients may be connected: half of the files is for calls to services."""
    return max(LEAST, (open_files - OWN_FILES) // 2)


def longest_idle(clients: Iterable[ClientT]) -> ClientT | None:
    """Return the client of a sample that has been idle for the longest time, None when there is none."""
    idle = [client for client in islice(clients, SAMPLE) if getattr(client, "idle", False)]
    return min(idle, key=lambda client: client.since, default=None)


class FullWarning:
    """Warns that clients were closed for want of open files, at most every ten seconds."""

    def __init__(self) -> None:
        self._closed = self._refused = 0
        self._next = 0.0

    def count(self, *, refused: bool) -> None:
        """Count a client that was refused, or an idle one that was closed for another."""
        if refused:
            self._refused += 1
        else:
            self._closed += 1

    def tick(self, now: float, limit: int) -> None:
        """Warn if it is due."""
        if now < self._next or not (self._closed or self._refused):
            return
        self._next = now + INTERVAL
        logger.warning(
            "%d clients are the most that the limit of open files leaves room for (ulimit -n %d): "
            "%d new clients were refused, %d idle connections closed; raise the limit",
            limit,
            open_files_limit(),
            self._refused,
            self._closed,
        )
        self._closed = self._refused = 0
