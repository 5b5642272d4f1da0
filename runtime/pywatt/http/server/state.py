"""The stages of a client's connection."""

from __future__ import annotations

import enum


class ConnectionState(enum.Enum):
    """The stage of a client's connection."""

    READING = enum.auto()
    """Waiting for a request, or in the middle of one."""
    WAITING = enum.auto()
    """The request is complete; its response is not."""
    TUNNEL = enum.auto()
    """Bytes pass both ways, after an upgrade."""
    LINGERING = enum.auto()
    """The last response was written; bytes that still come are discarded."""
    CLOSED = enum.auto()
    """It closes once the client has taken all that was written."""


# Looking up a member of an enum costs as much as a call.
READING, WAITING, TUNNEL, LINGERING, CLOSED = ConnectionState
