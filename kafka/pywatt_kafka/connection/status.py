"""The state of a client's connection to its cluster."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class ConnectionState(enum.Enum):
    """How a client stands with its cluster."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """A state and, when it is `away`, the reason in words."""

    state: ConnectionState
    reason: str = ""
