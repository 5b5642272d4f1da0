"""Makes workers: opens their pipes and sockets, has the forkserver fork them, and cleans up after their end."""

from __future__ import annotations

import asyncio
import operator
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from pywatt.channel.stream import open_channel
from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.control.runtime_folder import RuntimeFolder
from pywatt.logs.backpressure import OutputBackpressure
from pywatt.mesh.table import Endpoint
from pywatt.mesh.table_versions import TableVersions
from pywatt.metrics.worker_folders import MULTIPROC_DIR, WorkerName, end_folder, make_live_folder
from pywatt.supervisor.process.debuggers import Attend, Debuggers
from pywatt.supervisor.process.entrance import Entrance
from pywatt.supervisor.process.forkserver import Forkserver
from pywatt.supervisor.process.kernel_limits import refused
from pywatt.supervisor.process.output import Log, PrintRaw, WorkerOutput, open_output_pipes
from pywatt.supervisor.process.reaper import ExitStatus, Reaper
from pywatt.supervisor.process.sockets import open_endpoint
from pywatt.supervisor.process.worker import OnAsk, Worker
from pywatt.worker.launch_message import LaunchMessage
from pywatt.worker.process.descendant_mark import end_marked

NOT_PROBED = "its probes have not passed yet"


@dataclass(frozen=True, kw_only=True)
class WorkerSpec:
    """The child spec of one worker."""

    service: ServiceConfig
    slot: int
    incarnation: int
    socket_name: str
    """Short file name of its unix socket, unique in the runtime's folder."""
    env: Mapping[str, str]
    versions: TableVersions
    base_path: str
    server: ServerConfig
    loopback: socket.socket
    entrance: Entrance


@dataclass(frozen=True, kw_only=True)
class WorkerFactory:
    """Makes the workers of all services of one app."""

    app_name: str
    production: bool
    start_timeout: float | None
    """Seconds within which a worker must get ready."""
    forkserver: Forkserver
    reaper: Reaper
    folder: RuntimeFolder
    log: Log
    backpressure: OutputBackpressure = field(default_factory=OutputBackpressure)
    on_ask: OnAsk | None = None
    """Takes commands that workers of internal services ask for."""
    print_raw: PrintRaw | None = None
    """Takes the text that services print which does not become records."""
    attend: Attend | None = None
    """Serves a worker's debuggers over a socket of their own; None: there is no terminal for them."""
    restarts: Counter[str] = field(default_factory=Counter)
    """Replacements of workers that ended by themselves, by service."""

    @asynccontextmanager
    async def open_worker(
        self,
        spec: WorkerSpec,
        *,
        on_change: Callable[[], None],
        on_applied: Callable[[], None],
        clock: Callable[[], float],
        wanted: Callable[[], bool],
    ) -> AsyncIterator[Worker]:
        """Fork a worker; leaving the context kills it if it still runs, and waits for its end and its last output.

        `wanted` is asked when the worker's turn to be forked has come. Raises StartError.
        """
        service = spec.service
        path = self.folder.path / spec.socket_name
        async with AsyncExitStack() as stack:
            try:
                forked = await _fork(stack, self, spec, path, wanted)
            except OSError as error:
                raise refused("the kernel refuses what it needs", error) from error
            worker = Worker(
                id=forked.endpoint_id,
                slot=spec.slot,
                pid=forked.pid,
                endpoint=Endpoint(forked.endpoint_id, f"unix:{path}"),
                output=forked.output,
                exited=forked.exited,
                on_change=on_change,
                on_applied=on_applied,
                on_ask=self.on_ask if service.internal else None,
                clock=clock,
                versions=spec.versions,
                shutdown=service.shutdown,
                table=forked.table,
                debuggers=forked.debuggers,
                readiness_probe=service.probes.readiness,
                unready=NOT_PROBED if service.probes.startup or service.probes.readiness else "",
            )
            try:
                worker.channel = await stack.enter_async_context(
                    open_channel(forked.channel, worker.receive, worker.lose_channel, worker.take_nonsense)
                )
                yield worker
            finally:
                worker.kill()
                with anyio.CancelScope(shield=True):
                    await worker.exited
                    # Descendants that left its process group were orphaned with its end at the latest.
                    end_marked(partial(operator.eq, forked.mark))
                    if forked.metrics is not None:
                        end_folder(forked.metrics)
                    worker.ended()  # at once: the forkserver may be busy, and nobody should be sent to this worker
                    await self.forkserver.forget(forked.pid)


@dataclass(frozen=True)
class _Forked:
    """A process that has just been forked."""

    endpoint_id: str
    pid: int
    mark: int
    exited: asyncio.Future[ExitStatus]
    table: int
    output: WorkerOutput
    channel: socket.socket
    debuggers: Debuggers
    metrics: Path | None


async def _fork(
    stack: AsyncExitStack, factory: WorkerFactory, spec: WorkerSpec, path: Path, wanted: Callable[[], bool]
) -> _Forked:
    """Open a worker's pipes and sockets, and fork it; `stack` closes the descriptors that stay open here.

    Raises StartError and OSError.
    """
    service = spec.service
    factory.folder.ensure()
    output = await stack.enter_async_context(
        open_output_pipes(
            service.id,
            spec.slot,
            factory.log,
            factory.backpressure,
            stderr_level=service.stderr_level,
            print_raw=None if service.logger.capture_stdio else factory.print_raw,
        )
    )
    ours, theirs = socket.socketpair()
    # The worker holds its own copies; with ours closed, its death is seen by whoever is connected to it.
    with ExitStack() as unless_made, ExitStack() as lends, theirs, closing(output), open_endpoint(path) as endpoint:
        unless_made.callback(ours.close)
        stack.callback(_unlink, path)
        passed = {
            "channel": theirs.fileno(),
            "stdout": output.writers[0],
            "stderr": output.writers[1],
            "endpoint": endpoint.fileno(),
            "loopback": spec.loopback.fileno(),
        }
        for socket_name, sock in (("public", spec.entrance.public), ("redirect", spec.entrance.redirect)):
            if sock is not None:
                passed[socket_name] = sock.fileno()
        metrics, env = None, spec.env
        if service.metrics:
            name = WorkerName(service.id, str(spec.slot), spec.socket_name)
            metrics = make_live_folder(factory.folder.path, name)
            unless_made.callback(end_folder, metrics)
            env = {MULTIPROC_DIR: str(metrics), **env}
        debuggers = Debuggers()
        if factory.attend is not None:
            terminal, lent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            lends.enter_context(lent)
            stack.enter_context(factory.attend(service.id, debuggers, terminal))
            passed["terminal"] = lent.fileno()
        message = LaunchMessage(
            endpoint_id=f"{service.id}/{spec.slot}/{spec.incarnation}",
            service=service,
            slot=spec.slot,
            app_name=factory.app_name,
            production=factory.production,
            base_path=spec.base_path,
            server=spec.server,
            env=env,
            metrics=metrics,
            supervisor_pid=os.getpid(),
            mark=factory.forkserver.new_mark(),
            descriptors=tuple(passed),
        )
        with factory.reaper.expecting():
            await factory.forkserver.preload(service.preload)
            pid, table = await factory.forkserver.fork(message, list(passed.values()), spec.versions, wanted)
            exited = factory.reaper.watch(pid)
        unless_made.pop_all()
    output.pid = pid
    return _Forked(message.endpoint_id, pid, message.mark, exited, table, output, ours, debuggers, metrics)


def _unlink(path: Path) -> None:
    with suppress(OSError):  # it went with the folder, or that can only be read now
        path.unlink()
