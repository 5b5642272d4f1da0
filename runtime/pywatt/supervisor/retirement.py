"""Retires the replaced workers of one service: out of the mesh table, drained, then stopped in the background."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import anyio
from anyio.abc import TaskGroup

from pywatt.supervisor.publication import Publication
from pywatt.supervisor.slot import WorkerSlot
from pywatt.wait_any import wait_any

MOST_RETIRING = 4
"""Running retired workers of a service above which the next replacement waits for the end of one."""


class Retirement:
    """The slots of one service that have been replaced or given up and still run."""

    def __init__(self, service_id: str, mesh: Publication, stopping: anyio.Event, *, linger: bool) -> None:
        """`stopping`: set when the service stops. `linger`: connections to a retired worker may take their time."""
        self._service_id = service_id
        self._mesh = mesh
        self._stopping = stopping
        self._linger = linger
        self._slots: set[WorkerSlot] = set()

    def __iter__(self) -> Iterator[WorkerSlot]:
        return iter(self._slots)

    async def retire(self, slot: WorkerSlot, tasks: TaskGroup) -> None:
        """Take a slot's worker out of the mesh table and return when all callers know; it ends as one of `tasks`."""
        left = anyio.Event()
        self._slots.add(slot)
        tasks.start_soon(self._drain, slot, left)
        await left.wait()

    async def make_room(self) -> None:
        """Wait while too many retired workers still run."""
        while not self._stopping.is_set():
            running = [slot for slot in self._slots if not slot.ended.is_set()]
            if len(running) < MOST_RETIRING:
                return
            await wait_any(self._stopping.wait, *(slot.ended.wait for slot in running))

    async def _drain(self, slot: WorkerSlot, left: anyio.Event) -> None:
        """Wait until no call to the slot's worker is left, then have it stop. `left`: set when no new ones come."""
        version = self._mesh.publish(self._service_id)
        try:
            await wait_any(self._stopping.wait, slot.ended.wait, partial(self._mesh.followed, version))
            left.set()
            await wait_any(self._stopping.wait, slot.ended.wait, partial(self._mesh.drained, version))
            slot.retire(linger=self._linger)
            await slot.ended.wait()
        finally:
            self._slots.discard(slot)
            self._mesh.changed(self._service_id)
