"""Servers that follow a script, on both event loops, and tables that name them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from harness.scripted_server import Script, ScriptedServer, always_ok, scripted_servers

from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run on both event loops: workers have uvloop, users may have either."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose name is short enough for unix sockets."""
    made = Path(tempfile.mkdtemp(prefix="pw"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
async def serve(folder: Path) -> AsyncIterator[Callable[[Script], Awaitable[ScriptedServer]]]:
    """Start servers, each with its script."""
    async with scripted_servers(folder) as start:
        yield start


@pytest.fixture
def answering() -> Script:
    return always_ok


def table_of(version: int, *paths: Path, state: ServiceState = ServiceState.READY, port: int | None = 1) -> MeshTable:
    """Return a table with the service `api` at these sockets."""
    endpoints = tuple(Endpoint(f"api/{path.stem}/1", f"unix:{path}") for path in paths)
    return MeshTable(version, {"api": MeshService(id="api", state=state, port=port, endpoints=endpoints)})


@pytest.fixture
def make_table() -> Callable[..., MeshTable]:
    return table_of
