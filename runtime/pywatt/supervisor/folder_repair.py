"""Restores the runtime folder when it, or a socket in it, is removed while the app runs (by a tmp cleaner, say).

Open connections go on. No new one can be opened to a socket whose name is gone, so each worker that listens
there is replaced, without a gap, and the control API too.
"""

from __future__ import annotations

from collections.abc import Callable

from anyio.abc import TaskGroup

from pywatt.config.model import LogLevel, RuntimeConfig, ServiceConfig
from pywatt.control import metadata
from pywatt.control.control_service import CONTROL_ID
from pywatt.control.runtime_folder import RuntimeFolder
from pywatt.errors import PywattError
from pywatt.supervisor.process.sockets import open_endpoint
from pywatt.supervisor.process.worker import Worker
from pywatt.supervisor.service import Service
from pywatt.supervisor.supervisor import Supervisor

REST_TICKS = 3
_UNIX = "unix:"


class FolderRepair:
    """Looks at the folder once in each tick of the monitor: one system call while nothing has changed."""

    def __init__(
        self,
        supervisor: Supervisor,
        folder: RuntimeFolder,
        announce: Callable[[], None],
        control: Callable[[RuntimeConfig], ServiceConfig],
    ) -> None:
        """`announce` writes the app's metadata into the folder; `control` returns the control service of an app."""
        self._supervisor = supervisor
        self._folder = folder
        self._announce = announce
        self._control = control
        self._stamp: tuple[int, int] | None = None
        self._working = False
        self._failure = ""
        self._rest = 0
        """Ticks until the next attempt, after a failed one."""

    def look(self, tasks: TaskGroup) -> None:
        """Check the folder, and start a repair as one of `tasks` if needed."""
        if self._rest:
            self._rest -= 1
            return
        if self._working or (self._stamp is not None and self._stamp == self._folder.stamp()):
            return
        self._stamp = self._folder.stamp()
        if self._stamp is None or self._lost() or self._lost_control() or self._lost_metadata():
            self._working = True
            tasks.start_soon(self._repair)

    async def _repair(self) -> None:
        try:
            await self._make_again()
        except (OSError, PywattError) as error:
            self._rest = REST_TICKS
            if self._supervisor.mesh.stopping:
                return
            self._tell(f"cannot make again what was removed from {self._folder.path}: {error}")
        else:
            self._failure = ""
        finally:
            self._working = False
            self._stamp = None  # to see whether that was all

    async def _make_again(self) -> None:
        """Restore missing parts. Raises OSError, PywattError."""
        self._folder.ensure()
        if self._lost_metadata():
            self._announce()
        lost = self._lost()
        if lost:
            ids = ", ".join(sorted({service.config.id for service, _ in lost}))
            where = f"sockets in the runtime folder {self._folder.path} were removed"
            hint = "keep cleaners away from it, or set PYWATT_RUNTIME_DIR to a folder of its own"
            self._supervisor.say(
                LogLevel.WARN, f"{where}; the workers that listen there are replaced: {ids} (fix: {hint})"
            )
        for service, worker in lost:
            await service.renew(worker)
        if self._lost_control():
            listener = open_endpoint(self._folder.path / metadata.CONTROL_SOCKET)
            await self._supervisor.rebind_own(self._control(self._supervisor.config), listener)

    def _lost(self) -> list[tuple[Service, Worker]]:
        """Return the workers whose sockets have no name any more."""
        return [
            (service, worker)
            for service in self._supervisor.services.values()
            for worker in service.workers()
            if worker.serving
            and worker.report is not None
            and worker.report.http
            and worker.endpoint.address.startswith(_UNIX)
            and not self._has(worker.endpoint.address.rpartition("/")[2])
        ]

    def _lost_control(self) -> bool:
        return CONTROL_ID in self._supervisor.services and not self._has(metadata.CONTROL_SOCKET)

    def _lost_metadata(self) -> bool:
        return not self._has(metadata.METADATA)

    def _has(self, name: str) -> bool:
        return (self._folder.path / name).exists()

    def _tell(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            self._supervisor.say(LogLevel.ERROR, failure)
