"""Servers that follow a script, on both event loops."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from harness.scripted_server import Script, ScriptedServer, always_ok, scripted_servers


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
