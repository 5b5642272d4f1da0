"""Publishes changes of the mesh table to the workers, and waits until they have applied them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import anyio

from pywatt.mesh.table import MeshService
from pywatt.mesh.table_versions import TableVersions
from pywatt.supervisor.process.worker import Worker

TOGETHER_SECONDS = 0.25
"""While the app starts, names are told to those who only resolve them so often."""
ACKNOWLEDGE_SECONDS = 60.0
"""Seconds to wait for a worker's reports; longer than the mesh clients take until they report (`Limits.drain`)."""


class Published(Protocol):
    """A service that the table tells of."""

    def workers(self) -> Iterable[Worker]:
        """Return every worker that runs."""
        ...

    def snapshot(self) -> MeshService:
        """Return the service as others see it."""
        ...


class Publication:
    """The app's mesh table.

    Workers that follow it are told of each change and report when they act on it. All others only resolve names, and
    are told of what matters to that.
    """

    def __init__(self, services: Mapping[str, Published]) -> None:
        self.versions = TableVersions()
        self.updated = anyio.Event()
        """Set, and replaced by another one, whenever something about a service or its workers may be different."""
        self.starting = True
        """While true, workers that only resolve names get the changes of several starts together."""
        self.stopping = False
        """Nothing matters to name resolution any more."""
        self._services = services
        self._different: dict[str, None] = {}
        """Services of which the table does not know the newest yet, in order."""
        self._flushing = False
        self._names_due = False
        self._acknowledged = anyio.Event()

    def changed(self, service_id: str) -> None:
        """Send the changes of a service, once for all changes of this turn of the loop."""
        self._different[service_id] = None
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self.flush)

    def publish(self, service_id: str) -> int:
        """Send the change that was just made to a service now; return its version."""
        self._different[service_id] = None
        self.flush()
        return self.versions.table.version

    def flush(self) -> None:
        """Send the changes now."""
        self._flushing = False
        different, self._different = self._different, {}
        known = [service for service_id in different if (service := self._services.get(service_id)) is not None]
        if self.versions.update([service.snapshot() for service in known], different.keys() - self._services.keys()):
            for worker in self._workers():
                if worker.follows:
                    worker.publish(self.versions)
        self.updated.set()
        self.updated = anyio.Event()
        if not self.starting:
            self._tell_names()
        elif not self._names_due:
            asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self._tell_names)
            self._names_due = True
        self.applied()  # whoever waits for a worker's report may be waiting for one that is gone

    def leave(self) -> None:
        """Tell the workers that follow calls that the app is about to stop."""
        self.versions.leave()
        for worker in self._workers():
            if worker.follows:
                worker.publish(self.versions)

    def applied(self) -> None:
        """Note that a worker has reported its version of the table."""
        self._acknowledged.set()
        self._acknowledged = anyio.Event()

    async def followed(self, version: int) -> None:
        """Wait until every worker that follows calls by this version of the table."""
        await self._reported(lambda worker: worker.applied >= version)

    async def drained(self, version: int) -> None:
        """Wait until no call is in flight any more to an endpoint that this version of the table dropped."""
        await self._reported(lambda worker: worker.drained >= version)

    async def _reported(self, done: Callable[[Worker], bool]) -> None:
        with anyio.move_on_after(ACKNOWLEDGE_SECONDS):
            while any(worker.follows and worker.calls and not done(worker) for worker in self._workers()):
                await self._acknowledged.wait()

    def _tell_names(self) -> None:
        self._names_due = False
        for worker in () if self.stopping else self._workers():
            if not worker.follows and worker.table < self.versions.names:
                worker.publish(self.versions)

    def _workers(self) -> list[Worker]:
        return [worker for service in self._services.values() for worker in service.workers()]
