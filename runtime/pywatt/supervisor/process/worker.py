"""One incarnation of one worker: from its fork to its exit status."""

from __future__ import annotations

import asyncio
import itertools
import operator
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio

from pywatt.channel.messages import (
    Answer,
    Ask,
    Check,
    Checked,
    Debugging,
    Degraded,
    Follow,
    Message,
    Ping,
    Pong,
    Ready,
    Stop,
    TableApplied,
    TableChanged,
    TableDrained,
)
from pywatt.channel.stream import Channel, open_channel
from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.control.folder import RuntimeFolder
from pywatt.logs.flow import Flow
from pywatt.mesh.table import Endpoint
from pywatt.mesh.versions import TableVersions
from pywatt.supervisor.policy.heartbeat import Pulse
from pywatt.supervisor.policy.worker_state import WorkerEvent, WorkerState, transition
from pywatt.supervisor.process.debuggers import Attend, Debuggers
from pywatt.supervisor.process.forkserver import Forkserver
from pywatt.supervisor.process.kernel_limits import cannot
from pywatt.supervisor.process.output import Log, WorkerOutput, open_output_pipes
from pywatt.supervisor.process.reaper import ExitStatus, Reaper
from pywatt.supervisor.process.sockets import open_endpoint
from pywatt.worker.process.launch import LaunchMessage
from pywatt.worker.process.mark import end_marked

NOT_ASKED = "its probes have not passed yet"
PARTING_SECONDS = 1.0
"""Beyond the time of a graceful stop, for what a worker does after its service has ended."""
LONGEST_REASON = 1000
"""Characters of what a worker says of itself that others are told."""
OnAsk = Callable[[Ask, Callable[[Answer], None]], None]


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """What every worker is made with."""

    app_name: str
    production: bool
    start_timeout: float | None
    """Seconds within which a worker must get ready."""
    forkserver: Forkserver
    reaper: Reaper
    folder: RuntimeFolder
    log: Log
    flow: Flow = field(default_factory=Flow)
    on_ask: OnAsk | None = None
    """Takes what workers of internal services ask."""
    attend: Attend | None = None
    """Takes what a worker's debuggers ask over a socket of their own; None: there is no terminal for them."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Which worker to make."""

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
    public: socket.socket | None


@dataclass(kw_only=True, eq=False)
class Worker:
    """A running worker, as the supervisor sees it."""

    id: str
    slot: int
    pid: int
    endpoint: Endpoint
    output: WorkerOutput
    exited: asyncio.Future[ExitStatus]
    on_change: Callable[[], None]
    on_applied: Callable[[], None]
    on_ask: OnAsk | None
    clock: Callable[[], float]
    versions: TableVersions
    shutdown: float
    """Seconds that it may take for a graceful stop."""
    state: WorkerState = WorkerState.STARTING
    report: Ready | None = None
    degraded: str | None = None
    ready_at: float | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    follows: bool = False
    """Whether it is told of every change of the mesh table."""
    table: int = 0
    """Version of the mesh table that it was told last."""
    applied: int = 0
    """Version of the newest mesh table that it makes its calls by."""
    drained: int = 0
    """Version of the newest mesh table that none of its calls in flight contradicts."""
    channel: Channel | None = None
    verdict: str = ""
    """Why the supervisor itself killed it."""
    unready: str = ""
    """What its probes say against calling it although it has reported that it is ready."""
    pulse: Pulse = field(default_factory=Pulse)
    debuggers: Debuggers = field(default_factory=Debuggers)
    _checks: dict[int, asyncio.Future[str]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def serving(self) -> bool:
        """Whether calls may be sent to it."""
        return self.state is WorkerState.READY and not self.unready

    @property
    def calls(self) -> bool:
        """Whether it may be calling others."""
        return self.state in (WorkerState.READY, WorkerState.STOPPING)

    async def has_exited(self) -> None:
        """Wait for its end."""
        await asyncio.shield(self.exited)

    def ready_seconds(self) -> float:
        """Return for how long it has been ready; 0 when it never was."""
        return 0.0 if self.ready_at is None else self.clock() - self.ready_at

    def receive(self, message: Message) -> None:
        """Take a message from the worker. Raises ValueError for one that it must not send, or not now."""
        if self.state is WorkerState.EXITED:
            return  # its last words came after its end
        match message:
            case Ready():
                if self.ready.is_set():
                    raise ValueError("it has reported twice that it is ready")
                self.report = message
                self.ready_at = self.clock()
                if message.address:
                    self.endpoint = Endpoint(self.endpoint.id, message.address)
                self.state = transition(self.state, WorkerEvent.REPORTED_READY)
                self.ready.set()
                self.on_change()
            case Degraded(reason):
                self.degraded = None if reason is None else reason[:LONGEST_REASON]
                self.on_change()
            case Follow():
                self.follows = True
                self.publish(self.versions)
            case TableApplied(version) | TableDrained(version) if version > self.table:
                raise ValueError(f"it was never told of version {version} of the mesh table")
            case TableApplied(version):
                self.applied = max(self.applied, version)
                self.on_applied()
            case TableDrained(version):
                self.drained = max(self.drained, version)
                self.on_applied()
            case Checked(number, problem):
                # Nobody waits for an answer that took too long.
                if (answered := self._checks.get(number)) is not None and not answered.done():
                    answered.set_result(problem)
            case Debugging(port):
                self.debuggers.listen(port)
            case Pong(delay, gauges):
                self.pulse.answered(delay, gauges)
            case Ask() if self.on_ask is not None:
                self.on_ask(message, self.answer)
            case _:
                raise ValueError(f"not a message for the supervisor: {type(message).__name__}")

    def take_nonsense(self, error: ValueError) -> None:
        """End it, since nobody knows what it says."""
        self._end(f"what came over its channel makes no sense: {error}")

    def lose_channel(self) -> None:
        """Expect its end, since its channel has: it cannot be told anything any more."""
        if self.state in (WorkerState.STARTING, WorkerState.READY):
            loop = asyncio.get_running_loop()
            verdict = "it has closed its channel to the supervisor and goes on"
            timer = loop.call_later(self.shutdown + PARTING_SECONDS, self._end, verdict)
            self.exited.add_done_callback(lambda _: timer.cancel())

    def _end(self, verdict: str) -> None:
        if self.state in (WorkerState.STARTING, WorkerState.READY):
            self.verdict = self.verdict or verdict
        self.kill()

    async def check(self, hook: str) -> str:
        """Have it call a function of the application; return what that says is wrong, or nothing."""
        check = Check(next(self._numbers), hook)
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._checks[check.id] = answered
        try:
            if self.channel is not None and self.state is not WorkerState.EXITED:
                self.channel.send(check)
            return await answered
        finally:
            del self._checks[check.id]

    def answer(self, answer: Answer) -> None:
        """Answer what it asked."""
        if self.channel is not None and self.state is not WorkerState.EXITED:
            self.channel.send(answer)

    def ping(self) -> None:
        """Ask it for a sign of life."""
        if self.channel is not None and self.state is WorkerState.READY:
            self.pulse.asked()
            self.channel.send(Ping(time.monotonic()))

    def publish(self, versions: TableVersions) -> None:
        """Tell it what has changed in the mesh table since it was told last."""
        if self.channel is not None and self.state is not WorkerState.EXITED:
            versions.told(self.channel.send(TableChanged(versions.delta(self.table).to_json())))
            self.table = versions.table.version

    async def stop(self, timeout: float, *, linger: bool = False) -> None:
        """Ask it to end, wait so many seconds, then kill it with its process group; return when it is gone."""
        if self.state is WorkerState.EXITED:
            return
        starts = self.state is WorkerState.STARTING
        if self.state is not WorkerState.STOPPING:
            self.state = transition(self.state, WorkerEvent.ASKED_TO_STOP)
            self.on_change()
        self.debuggers.quit()
        if self.channel is not None:
            self.channel.send(Stop(timeout, linger))
        if starts:
            # It may be importing the application: only a signal reaches it then.
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
        with anyio.move_on_after(timeout):
            await self.has_exited()
        self.kill()
        await self.has_exited()

    def kill(self) -> None:
        """Kill its process group now."""
        if not self.exited.done():
            # Before it leads a group of its own (its first microseconds), only the process itself can be named.
            for kill in (os.killpg, os.kill):
                with suppress(ProcessLookupError):
                    kill(self.pid, signal.SIGKILL)

    def ended(self) -> None:
        """Note that its exit status is known."""
        self.state = transition(self.state, WorkerEvent.EXITED)
        self.on_change()


@asynccontextmanager
async def open_worker(
    workshop: Workshop,
    order: Order,
    *,
    on_change: Callable[[], None],
    on_applied: Callable[[], None],
    clock: Callable[[], float],
    wanted: Callable[[], bool],
) -> AsyncIterator[Worker]:
    """Fork a worker; leaving the context kills it if it still runs, and waits for its end and its last output.

    `wanted` is asked when its turn to be forked has come. Raises StartError.
    """
    service = order.service
    path = workshop.folder.path / order.socket_name
    async with AsyncExitStack() as stack:
        try:
            made = await _make(stack, workshop, order, path, wanted)
        except OSError as error:
            raise cannot("the kernel refuses what it needs", error) from error
        worker = Worker(
            id=made.endpoint_id,
            slot=order.slot,
            pid=made.pid,
            endpoint=Endpoint(made.endpoint_id, f"unix:{path}"),
            output=made.output,
            exited=made.exited,
            on_change=on_change,
            on_applied=on_applied,
            on_ask=workshop.on_ask if service.internal else None,
            clock=clock,
            versions=order.versions,
            shutdown=service.shutdown,
            table=made.table,
            debuggers=made.debuggers,
            unready=NOT_ASKED if service.probes.startup or service.probes.readiness else "",
        )
        try:
            worker.channel = await stack.enter_async_context(
                open_channel(made.channel, worker.receive, worker.lose_channel, worker.take_nonsense)
            )
            yield worker
        finally:
            worker.kill()
            with anyio.CancelScope(shield=True):
                await worker.exited
                # Those of its descendants that left its process group, and were orphaned with its end at the latest.
                end_marked(partial(operator.eq, made.mark))
                worker.ended()  # at once: the forkserver may be busy, and nobody should be sent to this worker
                await workshop.forkserver.forget(made.pid)


@dataclass(frozen=True)
class _Made:
    """A process that has just been forked."""

    endpoint_id: str
    pid: int
    mark: int
    exited: asyncio.Future[ExitStatus]
    table: int
    output: WorkerOutput
    channel: socket.socket
    debuggers: Debuggers


async def _make(
    stack: AsyncExitStack, workshop: Workshop, order: Order, path: Path, wanted: Callable[[], bool]
) -> _Made:
    """Open what a worker needs, and fork it; `stack` closes what stays open here. Raises StartError and OSError."""
    service = order.service
    workshop.folder.ensure()
    output = await stack.enter_async_context(
        open_output_pipes(service.id, order.slot, workshop.log, workshop.flow, stderr_level=service.stderr_level)
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
            "loopback": order.loopback.fileno(),
        }
        if order.public is not None:
            passed["public"] = order.public.fileno()
        debuggers = Debuggers()
        if workshop.attend is not None:
            terminal, lent = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            lends.enter_context(lent)
            stack.enter_context(workshop.attend(service.id, debuggers, terminal))
            passed["terminal"] = lent.fileno()
        spec = LaunchMessage(
            endpoint_id=f"{service.id}/{order.slot}/{order.incarnation}",
            service=service,
            slot=order.slot,
            app_name=workshop.app_name,
            production=workshop.production,
            base_path=order.base_path,
            server=order.server,
            env=order.env,
            supervisor_pid=os.getpid(),
            mark=workshop.forkserver.new_mark(),
            descriptors=tuple(passed),
        )
        with workshop.reaper.expecting():
            await workshop.forkserver.preload(service.preload)
            pid, table = await workshop.forkserver.fork(spec, list(passed.values()), order.versions, wanted)
            exited = workshop.reaper.watch(pid)
        unless_made.pop_all()
    output.pid = pid
    return _Made(spec.endpoint_id, pid, spec.mark, exited, table, output, ours, debuggers)


def _unlink(path: Path) -> None:
    with suppress(OSError):  # it went with the folder, or that can only be read now
        path.unlink()
