"""The real ServiceContext, which workers of every service type get."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from anyio.abc import TaskGroup

from pywatt.channel.messages import (
    Answer,
    Ask,
    Check,
    Checked,
    Degraded,
    Follow,
    MemoryRecorded,
    Message,
    OpenPrompt,
    Ping,
    Ready,
    RecordMemory,
    Stop,
    TableApplied,
    TableChanged,
    TableDrained,
)
from pywatt.channel.stream import Channel
from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import MeshTable, TableDelta
from pywatt.service_type import ServiceContext, StopRequest
from pywatt.worker.heartbeat import Gauge, Heartbeat
from pywatt.worker.launch_message import LaunchMessage
from pywatt.worker.probe_function import call_probe_function

if TYPE_CHECKING:
    from pywatt.metrics.recorder import Recorder

EXIT_ORPHAN = 70
"""The supervisor is gone: EX_SOFTWARE of sysexits.h, only seen by the kernel."""


@dataclass(kw_only=True, eq=False)
class WorkerContext:
    """Connects a service's code with the supervisor's channel."""

    launch: LaunchMessage
    sockets: Mapping[str, socket.socket]
    tasks: TaskGroup
    _mesh: MeshClient
    _table: MeshTable
    on_stop: Callable[[float], None] = lambda _timeout: None
    """Called with the seconds that are left whenever the worker is asked to end."""
    on_table: Callable[[MeshTable], None] = lambda _table: None
    """Called with each newer picture of the app."""
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    metrics: Recorder | None = None
    """The source of counters; None: metrics are off."""
    prompt_names: dict[str, object] = field(default_factory=dict)
    """Variables of the prompts of `pywatt repl`."""
    _channel: Channel | None = None
    _follows: bool = False
    _stop: asyncio.Future[StopRequest] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _hurry: asyncio.Future[StopRequest] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _degraded: str | None = None
    _asked: dict[int, asyncio.Future[Answer]] = field(default_factory=dict)
    _asks: Iterator[int] = field(default_factory=itertools.count)

    @property
    def service(self) -> ServiceConfig:
        return self.launch.service

    @property
    def slot(self) -> int:
        return self.launch.slot

    @property
    def app_name(self) -> str:
        return self.launch.app_name

    @property
    def production(self) -> bool:
        return self.launch.production

    @property
    def base_path(self) -> str:
        return self.launch.base_path

    @property
    def env(self) -> Mapping[str, str]:
        return os.environ

    @property
    def endpoint(self) -> socket.socket:
        return self.sockets["endpoint"]

    @property
    def loopback(self) -> socket.socket:
        return self.sockets["loopback"]

    @property
    def public(self) -> socket.socket | None:
        return self.sockets.get("public")

    @property
    def server(self) -> ServerConfig:
        return self.launch.server

    @property
    def mesh(self) -> MeshClient:
        self.follow()
        return self._mesh

    @property
    def table(self) -> MeshTable:
        self.follow()
        return self._table

    @property
    def stopping(self) -> bool:
        """Return whether the worker was asked to end."""
        return self._stop.done()

    def attach(self, channel: Channel) -> None:
        """Send over this channel from now on."""
        self._channel = channel

    def detach(self) -> None:
        """Let the worker end: its channel may close now without that being a death of the supervisor."""
        self._channel = None

    def channel_closed(self) -> None:
        """End the process at once when the supervisor is gone: without table, log and owner it must not linger."""
        if self._channel is not None:
            os._exit(EXIT_ORPHAN)

    async def ready(
        self, *, http: bool = True, address: str | None = None, exports: Mapping[str, str] | None = None
    ) -> None:
        self._send(Ready(http, address, dict(exports or {})))

    def degraded(self, reason: str | None) -> None:
        if reason != self._degraded:
            self._degraded = reason
            self._send(Degraded(reason))

    def gauge(self, name: str, read: Gauge) -> None:
        self.heartbeat.gauge(name, read)

    async def ask(self, command: str, arguments: Mapping[str, Any]) -> Answer:
        """Ask the supervisor to run a command; only internal services may ask."""
        ask = Ask(next(self._asks), command, arguments)
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[ask.id] = answered
        self._send(ask)
        try:
            return await answered
        finally:
            del self._asked[ask.id]

    async def stop_requested(self) -> StopRequest:
        return await asyncio.shield(self._stop)

    async def hurry_requested(self) -> StopRequest:
        return await asyncio.shield(self._hurry)

    def request_stop(self, timeout: float, *, linger: bool = False) -> None:
        """Ask the service to end, as the supervisor's message and a signal sent by hand do."""
        request = StopRequest(timeout=timeout, linger=linger)
        self.on_stop(timeout)
        if not self._stop.done():
            self._stop.set_result(request)
        elif self._stop.result().linger and not linger and not self._hurry.done():
            self._hurry.set_result(request)

    def receive(self, message: Message) -> None:
        """Handle a message of the supervisor."""
        match message:
            case Stop(timeout, linger):
                self.request_stop(timeout, linger=linger)
            case Check():
                self.tasks.start_soon(self._check, message)
            case RecordMemory(number, seconds):
                self.tasks.start_soon(self._record_memory, number, seconds)
            case OpenPrompt(path):
                self._open_prompt(path)
            case Ping():
                self._send(self.heartbeat.answer(message))
            case TableChanged(document):
                self._take(TableDelta.from_json(document))
            case Answer(number):
                # Whoever asked may have left in the meantime.
                if (asked := self._asked.get(number)) is not None and not asked.done():
                    asked.set_result(message)
            case _:
                raise ValueError(f"not a message for a worker: {message}")

    async def _check(self, check: Check) -> None:
        answer = await call_probe_function(check.hook)
        self._send(Checked(check.id, answer.problem, answer.status, answer.body))

    async def _record_memory(self, number: int, seconds: float) -> None:
        from pywatt.worker.memory_recording import record_memory

        try:
            self._send(MemoryRecorded(number, await record_memory(seconds)))
        except RuntimeError as error:
            self._send(MemoryRecorded(number, [], str(error)))

    def _open_prompt(self, path: str) -> None:
        from pywatt.worker.prompt.session import Session, connect, greeting

        try:
            connection = connect(path)
        except OSError:  # whoever has asked is gone
            return
        hello = greeting(self.service.id, self.slot, os.getpid(), self.prompt_names)
        Session(connection, asyncio.get_running_loop(), self.prompt_names, hello).start()

    def follow(self) -> None:
        """Receive every change of the table from now on: without that, only those that matter to `names_table`."""
        if not self._follows:
            self._follows = True
            self._mesh.apply(self._table)
            self._send(Follow())

    def names_table(self) -> MeshTable:
        """Return a picture of the app that is good enough to resolve names."""
        return self._table

    def _take(self, delta: TableDelta) -> None:
        self._table = self._table.after(delta)
        self.on_table(self._table)
        if self._follows:
            self._mesh.apply(self._table)
            self._send(TableApplied(self._table.version))
            self.tasks.start_soon(self._tell_when_drained, self._table.version)

    async def _tell_when_drained(self, version: int) -> None:
        await self._mesh.drained()
        self._send(TableDrained(version))

    def _send(self, message: Message) -> None:
        if self._channel is not None:
            self._channel.send(message)


def _is_a_service_context(context: WorkerContext) -> ServiceContext:
    return context
