"""The state of a client's connection to its cluster."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ConnectionState(enum.Enum):
    """State of a client's connection to its cluster."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    AWAY = "away"
    FENCED = "fenced"
    """Another client with the same static member id or transactional id has replaced it; it stays so."""


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A state, and the reason when it is `away` or `fenced`."""

    state: ConnectionState
    reason: str = ""
