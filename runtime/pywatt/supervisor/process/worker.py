"""One worker process as the supervisor sees it: its state, its channel, its end."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import anyio

from pywatt.channel.messages import (
    Answer,
    Ask,
    Check,
    Checked,
    Debugging,
    Degraded,
    Follow,
    MemoryRecorded,
    Message,
    OpenPrompt,
    Ping,
    Pong,
    Ready,
    RecordMemory,
    Stop,
    TableApplied,
    TableChanged,
    TableDrained,
)
from pywatt.channel.stream import Channel
from pywatt.config.model import ProbeConfig
from pywatt.mesh.table import Endpoint
from pywatt.mesh.table_versions import TableVersions
from pywatt.supervisor.policy.heartbeat import HeartbeatState
from pywatt.supervisor.policy.worker_state import WorkerEvent, WorkerState, transition
from pywatt.supervisor.process.debuggers import Debuggers
from pywatt.supervisor.process.output import WorkerOutput
from pywatt.supervisor.process.reaper import ExitStatus

EXIT_SECONDS = 1.0
"""Seconds beyond a graceful stop that a worker may take after its service has ended."""
LONGEST_REASON = 1000
"""Characters of a worker's own reason that are passed on."""
OnAsk = Callable[[Ask, Callable[[Answer], None]], None]


@dataclass(frozen=True, slots=True)
class ReadinessAnswer:
    """A readiness probe's answer: the reported problem, or nothing; a status and a body."""

    problem: str
    status: int | None
    body: str | None
    decides: bool = False
    """True if the app's health endpoint is to respond with them."""


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
    """True if it is told of every change of the mesh table."""
    table: int = 0
    """Version of the mesh table that it was told last."""
    applied: int = 0
    """Version of the newest mesh table that it makes its calls by."""
    drained: int = 0
    """Version of the newest mesh table that none of its calls in flight contradicts."""
    channel: Channel | None = None
    kill_reason: str = ""
    """The reason why the supervisor itself killed it."""
    unready: str = ""
    """The reason why its probes keep callers away although it has reported that it is ready."""
    readiness_probe: ProbeConfig | None = None
    readiness: ReadinessAnswer | None = None
    """The last answer of its readiness probe, if it gave one with a status or a body."""
    heartbeat: HeartbeatState = field(default_factory=HeartbeatState)
    debuggers: Debuggers = field(default_factory=Debuggers)
    _function_probes: dict[int, asyncio.Future[Checked]] = field(default_factory=dict)
    _recordings: dict[int, asyncio.Future[MemoryRecorded]] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def serving(self) -> bool:
        """Return whether calls may be sent to it."""
        return self.state is WorkerState.READY and not self.unready

    @property
    def calls(self) -> bool:
        """Return whether it may be calling others."""
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
            case Checked(number):
                # Nobody waits for an answer that took too long.
                if (answered := self._function_probes.get(number)) is not None and not answered.done():
                    answered.set_result(message)
            case MemoryRecorded(number):
                if (recorded := self._recordings.get(number)) is not None and not recorded.done():
                    recorded.set_result(message)
            case Debugging(port):
                self.debuggers.listen(port)
            case Pong(delay, gauges):
                self.heartbeat.answered(delay, gauges)
            case Ask() if self.on_ask is not None:
                self.on_ask(message, self.answer)
            case _:
                raise ValueError(f"not a message for the supervisor: {type(message).__name__}")

    def take_nonsense(self, error: ValueError) -> None:
        """End it, since its messages cannot be understood."""
        self._end(f"what came over its channel makes no sense: {error}")

    def lose_channel(self) -> None:
        """Expect its end, since its channel has: it cannot be told anything any more."""
        if self.state in (WorkerState.STARTING, WorkerState.READY):
            loop = asyncio.get_running_loop()
            kill_reason = "it has closed its channel to the supervisor and goes on"
            timer = loop.call_later(self.shutdown + EXIT_SECONDS, self._end, kill_reason)
            self.exited.add_done_callback(lambda _: timer.cancel())

    def _end(self, kill_reason: str) -> None:
        if self.state in (WorkerState.STARTING, WorkerState.READY):
            self.kill_reason = self.kill_reason or kill_reason
        self.kill()

    async def check(self, hook: str) -> Checked:
        """Call a function of the application in the worker; return its answer."""
        check = Check(next(self._numbers), hook)
        answered: asyncio.Future[Checked] = asyncio.get_running_loop().create_future()
        self._function_probes[check.id] = answered
        try:
            if self.channel is not None and self.state is not WorkerState.EXITED:
                self.channel.send(check)
            return await answered
        finally:
            del self._function_probes[check.id]

    async def record_memory(self, seconds: float) -> MemoryRecorded:
        """Have it record its memory; return its answer."""
        wanted = RecordMemory(next(self._numbers), seconds)
        recorded: asyncio.Future[MemoryRecorded] = asyncio.get_running_loop().create_future()
        self._recordings[wanted.id] = recorded
        try:
            if self.channel is not None and self.state is not WorkerState.EXITED:
                self.channel.send(wanted)
            return await recorded
        finally:
            del self._recordings[wanted.id]

    def open_prompt(self, path: str) -> None:
        """Have it open a Python prompt for whoever listens at a socket."""
        if self.channel is not None and self.state is not WorkerState.EXITED:
            self.channel.send(OpenPrompt(path))

    def answer(self, answer: Answer) -> None:
        """Answer its request."""
        if self.channel is not None and self.state is not WorkerState.EXITED:
            self.channel.send(answer)

    def ping(self) -> None:
        """Ask it for a sign of life."""
        if self.channel is not None and self.state is WorkerState.READY:
            self.heartbeat.asked()
            self.channel.send(Ping(time.monotonic()))

    def publish(self, versions: TableVersions) -> None:
        """Send it the changes of the mesh table since its last version."""
        if self.channel is not None and self.state is not WorkerState.EXITED:
            versions.told(self.channel.send(TableChanged(versions.delta(self.table).to_json())))
            self.table = versions.table.version

    async def stop(self, timeout: float, *, linger: bool = False) -> None:
        """Ask it to end, kill it with its process group after `timeout` seconds; return when it is gone."""
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
