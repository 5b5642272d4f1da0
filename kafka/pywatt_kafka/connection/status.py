"""The state of a client's connection to its cluster."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pywatt_kafka.errors import Fenced, KafkaError, NotAuthorized


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
    error: KafkaError | None = field(default=None, compare=False)
    """The error behind it, if there is one."""

    @property
    def failure(self) -> KafkaError | None:
        """The error behind it, if waiting does not help against it: a wrong password, a missing permission, a fence."""
        return self.error if isinstance(self.error, NotAuthorized | Fenced) else None
