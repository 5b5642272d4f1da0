"""Combines the states of one worker's Kafka clients into one: connected, or Kafka is away and why."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus


class ConnectionHealth:
    """Collects the clients' statuses; created before the clients, which report to it."""

    def __init__(self, degraded: Callable[[str | None], None]) -> None:
        """`degraded` is told a reason, or None when all is well again."""
        self._degraded = degraded
        self._statuses: dict[str, ConnectionStatus] = {}
        self._refused_for: str | None = None
        self._changed = asyncio.Event()

    def watch(self, name: str) -> Callable[[ConnectionStatus], None]:
        """Return the callback for every change of a client's status."""
        self._statuses[name] = ConnectionStatus(ConnectionState.CONNECTING)

        def changed(status: ConnectionStatus) -> None:
            self._statuses[name] = status
            self._degraded(self.reason)
            self._changed.set()

        return changed

    def leave_out(self, name: str) -> None:
        """Ignore a client until it reports again."""
        self._statuses.pop(name, None)
        self._changed.set()

    def refused(self, reason: str | None) -> None:
        """Set the reason for refusing work though Kafka is there; None: nothing is refused."""
        if reason != self._refused_for:
            self._refused_for = reason
            self._degraded(self.reason)

    @property
    def reason(self) -> str | None:
        """Reason for the service being degraded; None when it is not."""
        for status in self._statuses.values():
            if status.state is ConnectionState.FENCED:
                return status.reason
        away = [status.reason for status in self._statuses.values() if status.state is ConnectionState.AWAY]
        return f"Kafka is away: {away[0]}" if away else self._refused_for

    async def settled(self) -> None:
        """Wait until every client has connected or failed to for the first time."""
        while any(status.state is ConnectionState.CONNECTING for status in self._statuses.values()):
            self._changed.clear()
            await self._changed.wait()
