"""A ServiceContext without a supervisor, for tests of code that runs in a worker."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.restart_config import RESTART
from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.mesh.table import MeshTable
from pywatt.metrics.recorder import Recorder
from pywatt.service_type import ServiceContext, StopRequest

PATIENCE = 20.0
"""Seconds after which something that did not happen is a failure."""


@dataclass(kw_only=True)
class FakeContext:
    """Has real sockets; the test plays the supervisor."""

    service: ServiceConfig
    endpoint: socket.socket
    loopback: socket.socket
    public: socket.socket | None
    base_path: str = "/"
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    table: MeshTable = field(default_factory=lambda: MeshTable(1))
    slot: int = 0
    app_name: str = "app"
    production: bool = True
    server: ServerConfig = field(default_factory=ServerConfig)
    mesh: Any = None
    metrics: Recorder | None = None
    prompt_names: dict[str, object] = field(default_factory=dict)
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    ready_with: dict[str, Any] = field(default_factory=dict)
    degraded_by: list[str | None] = field(default_factory=list)
    gauges: dict[str, Callable[[], float]] = field(default_factory=dict)
    _stop: asyncio.Future[StopRequest] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    _hurry: asyncio.Future[StopRequest] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    async def ready(
        self, *, http: bool = True, address: str | None = None, exports: Mapping[str, str] | None = None
    ) -> None:
        assert not self.is_ready.is_set(), "ready is reported once"
        self.ready_with = {"http": http, "address": address, "exports": exports}
        self.is_ready.set()

    def degraded(self, reason: str | None) -> None:
        self.degraded_by.append(reason)

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        self.gauges[name] = read

    async def stop_requested(self) -> StopRequest:
        return await asyncio.shield(self._stop)

    async def hurry_requested(self) -> StopRequest:
        return await asyncio.shield(self._hurry)

    def stop(self, timeout: float = 10.0, *, linger: bool = False) -> None:
        request = StopRequest(timeout=timeout, linger=linger)
        if not self._stop.done():
            self._stop.set_result(request)
        elif self._stop.result().linger and not linger and not self._hurry.done():
            self._hurry.set_result(request)


@dataclass(kw_only=True)
class Worker:
    """A service that runs in this process."""

    context: FakeContext
    task: asyncio.Task[None]
    port: int
    public_port: int
    path: str

    async def stop(self, timeout: float = 10.0) -> None:
        """Ask it to end and wait until it has."""
        self.context.stop(timeout)
        await self.ended()

    async def ended(self) -> None:
        """Wait for its end; re-raise its error."""
        async with asyncio.timeout(PATIENCE):
            await self.task


@asynccontextmanager
async def start(serve: Callable[[ServiceContext], Awaitable[None]], **settings: Any) -> AsyncIterator[Worker]:
    """Run a service until the test is done with it, without waiting until it is ready."""
    with tempfile.TemporaryDirectory(prefix="pywatt") as folder:
        path = f"{folder}/endpoint"
        endpoint = socket.socket(socket.AF_UNIX)
        endpoint.bind(path)
        endpoint.listen()
        loopback, public = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
        ports = loopback.getsockname()[1], public.getsockname()[1]
        service = ServiceConfig(restart=RESTART, id="it", path=Path(folder), type="test")
        context = FakeContext(service=service, endpoint=endpoint, loopback=loopback, public=public, **settings)

        async def run() -> None:
            await serve(context)

        task = asyncio.ensure_future(run())
        try:
            yield Worker(context=context, task=task, port=ports[0], public_port=ports[1], path=path)
        finally:
            context.stop(1.0)
            await asyncio.wait([task], timeout=PATIENCE)
            for sock in (endpoint, loopback, public):
                sock.close()
            if not task.done():
                task.cancel()
                raise AssertionError("the service did not end when it was asked to")


@asynccontextmanager
async def ready(serve: Callable[[ServiceContext], Awaitable[None]], **settings: Any) -> AsyncIterator[Worker]:
    """Run a service from ready to stopped; re-raise its errors."""
    async with start(serve, **settings) as worker:
        waiting = asyncio.ensure_future(worker.context.is_ready.wait())
        await asyncio.wait([waiting, worker.task], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not worker.context.is_ready.is_set():
            if worker.task.done():
                worker.task.result()
            raise AssertionError("the service did not get ready")
        yield worker
        await worker.stop()


async def exchange(address: int | str, *segments: bytes, half_close: bool = False) -> bytes:
    """Send segments over one connection, each on its own, and read until the other side closes it.

    `half_close`: say that nothing follows, for requests that do not ask to close.
    """
    if isinstance(address, int):
        reader, writer = await asyncio.open_connection("127.0.0.1", address)
    else:
        reader, writer = await asyncio.open_unix_connection(address)
    received = b""
    try:
        async with asyncio.timeout(PATIENCE):
            for segment in segments:
                writer.write(segment)
                await writer.drain()
                await settle()
            if half_close:
                writer.write_eof()
            received = await reader.read()
    finally:
        writer.close()
    return received


async def settle(rounds: int = 20) -> None:
    """Let the loop handle what is already in the sockets of this process."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def _is_a_service_context(context: FakeContext) -> ServiceContext:
    return context
