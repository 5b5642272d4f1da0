"""Real gateways on real sockets, in front of uvicorn in a separate process."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from harness.restart_config import RESTART

from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState
from pywatt.metrics.recorder import Recorder
from pywatt.service_type import Placement, StopRequest
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.options import GatewayOptions

APP = Path(__file__).with_name("service_app.py")
SERVICE = ServiceConfig(id="gateway", path=APP.parent, type="gateway", restart=RESTART)


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="pw"))
    yield made
    shutil.rmtree(made)


def table_of(version: int, *sockets: Path, state: ServiceState = ServiceState.READY) -> MeshTable:
    endpoints = tuple(Endpoint(f"api/0/{path.stem}", f"unix:{path}") for path in sockets)
    return MeshTable(version, {"api": MeshService(id="api", state=state, port=1, endpoints=endpoints)})


@dataclass(eq=False)
class Context:
    """The part of a ServiceContext that a gateway uses."""

    public: socket.socket
    loopback: socket.socket
    endpoint: socket.socket
    mesh: MeshClient
    table: MeshTable
    service: ServiceConfig = SERVICE
    metrics: Recorder | None = None
    base_path: str = "/"
    server: ServerConfig = ServerConfig()  # noqa: RUF009 - frozen
    started: asyncio.Event = field(default_factory=asyncio.Event)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def ready(
        self, *, http: bool = True, address: str | None = None, exports: Mapping[str, str] | None = None
    ) -> None:
        self.started.set()

    async def stop_requested(self) -> StopRequest:
        await self.stop.wait()
        return StopRequest(timeout=10)

    async def hurry_requested(self) -> StopRequest:
        await asyncio.Event().wait()
        raise AssertionError("never asked to linger, so never to hurry")

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        pass


@dataclass(eq=False)
class App:
    """The sockets of an app with one service `api`, and gateways on them."""

    folder: Path
    public: socket.socket
    loopback: socket.socket
    tasks: asyncio.TaskGroup
    gateways: int = 0

    @property
    def port(self) -> int:
        port: int = self.public.getsockname()[1]
        return port

    def endpoint_path(self, number: int = 1) -> Path:
        return self.folder / f"gateway{number}.sock"

    @asynccontextmanager
    async def gateway(
        self,
        table: MeshTable,
        document: Mapping[str, Any] | None = None,
        server: ServerConfig = ServerConfig(),  # noqa: B008 - frozen
    ) -> AsyncIterator[Context]:
        """Run a gateway until the block exits; stop it then, if it still runs."""
        self.gateways += 1
        endpoint = socket.socket(socket.AF_UNIX)
        endpoint.bind(str(self.endpoint_path(self.gateways)))
        endpoint.listen()
        placement = Placement(id="gateway", path=self.folder, services=("gateway", "api"))
        options = TYPE.configure(document or {}, placement).options
        assert isinstance(options, GatewayOptions)
        with endpoint:
            async with MeshClient(table) as mesh:
                context = Context(self.public, self.loopback, endpoint, mesh, table, server=server)
                serving: Any = TYPE.serve(options, context)  # type: ignore[arg-type]
                running = self.tasks.create_task(serving)
                try:
                    await context.started.wait()
                    yield context
                finally:
                    context.stop.set()
                    await running


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen(128)
    return sock


@pytest.fixture
async def app(folder: Path) -> AsyncIterator[App]:
    with listening() as public, listening() as loopback:
        async with asyncio.TaskGroup() as tasks:
            yield App(folder, public, loopback, tasks)


@pytest.fixture
def service(folder: Path) -> Callable[[str], AbstractAsyncContextManager[tuple[Path, asyncio.subprocess.Process]]]:
    """Start a service process with a name; return its socket and the process."""

    @asynccontextmanager
    async def start(name: str) -> AsyncIterator[tuple[Path, asyncio.subprocess.Process]]:
        path = folder / f"{name}.sock"
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(APP), str(path), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(20):
                assert await process.stdout.readline() == b"ready\n"
            yield path, process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    return start


@pytest.fixture
def make_table() -> Callable[..., MeshTable]:
    return table_of
