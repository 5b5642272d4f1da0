"""The newest mesh table and the version of each change, so that workers are sent differences only."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import takewhile

from pywatt.mesh.table import MeshService, MeshTable, ServiceState, TableDelta

DOWN = frozenset((ServiceState.CRASH_LOOP, ServiceState.FAILED, ServiceState.FINISHED, ServiceState.STOPPED))
"""States in which waiting for a service is of little use."""


class TableVersions:
    """Counts the versions of the table. `delta(v)` costs as much as has changed since `v`, however large the table."""

    def __init__(self) -> None:
        self.table = MeshTable(0)
        self.names = 0
        """The newest version that matters to name resolution: a service came, went, has HTTP or not, is down or not."""
        self.messages = 0
        self.bytes = 0
        """Messages and bytes that were sent, as the sender has counted them."""
        # Ordered by version, the newest last.
        self._changed: dict[str, int] = {}
        self._removed: dict[str, int] = {}
        self._newest_delta = TableDelta(0, 0)

    def update(self, services: Iterable[MeshService], removed: Iterable[str] = ()) -> bool:
        """Make the next version, if these services are new or different or removed; return whether it was made."""
        before = self.table.services
        present = {service.id: service for service in services}
        changed = {service_id: service for service_id, service in present.items() if before.get(service_id) != service}
        gone = {service_id for service_id in removed if service_id in before and service_id not in present}
        if not changed and not gone:
            return False
        version = self.table.version + 1
        for service_id, service in changed.items():
            self._removed.pop(service_id, None)
            self._mark(self._changed, service_id, version)
            if _face(before.get(service_id)) != _face(service):
                self.names = version
        for service_id in gone:
            del self._changed[service_id]
            self._mark(self._removed, service_id, version)
            self.names = version
        kept = {name: service for name, service in before.items() if name not in gone}
        self.table = MeshTable(version, {**kept, **changed}, self.table.leaving)
        return True

    def leave(self) -> None:
        """Make the next version, which tells that the app is about to stop."""
        self.table = MeshTable(self.table.version + 1, self.table.services, leaving=True)

    def told(self, size: int) -> None:
        """Count a message of `size` bytes."""
        self.messages += 1
        self.bytes += size

    def delta(self, since: int) -> TableDelta:
        """Return the difference between the table of version `since`, or any later one, and the newest."""
        newest = self._newest_delta
        if (newest.version, newest.since) != (self.table.version, since):  # most are told one version after the other
            services = tuple(self.table.services[service_id] for service_id in _later(self._changed, since))
            removed = frozenset(_later(self._removed, since))
            newest = self._newest_delta = TableDelta(self.table.version, since, services, removed, self.table.leaving)
        return newest

    @staticmethod
    def _mark(when: dict[str, int], service_id: str, version: int) -> None:
        when.pop(service_id, None)
        when[service_id] = version


def _later(when: dict[str, int], since: int) -> list[str]:
    return list(takewhile(lambda service_id: when[service_id] > since, reversed(when)))[::-1]


def _face(service: MeshService | None) -> object:
    """Return the part of a service that matters to name resolution."""
    if service is None:
        return None
    return service.port, service.internal, service.state if service.state in DOWN else None
