"""Servers on unix sockets that follow a script, and the fixtures of their tests."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pywatt.http.client.address import UnixAddress

Script = Callable[["Visit"], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Visit:
    """A connection to a scripted server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self.number = number
        self.closed = asyncio.Event()
        """Set when the client has closed."""
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Return the next request: its head, and a body with a length."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                head += await self._reader.readexactly(int(value))
        return head

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def until_closed(self) -> None:
        await self._reader.read()
        self.closed.set()

    def half_close(self) -> None:
        """Send nothing more; the client's own close can be waited for."""
        self._writer.write_eof()

    def close(self) -> None:
        self._writer.close()


class ScriptedServer:
    """Runs the script for each connection."""

    def __init__(self, path: Path, script: Script) -> None:
        self.path = path
        self.visits: list[Visit] = []
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> UnixAddress:
        return UnixAddress(str(self.path))

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._visited, self.path)

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for visit in self.visits:
            visit.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.path.unlink(missing_ok=True)

    async def _visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        visit = Visit(reader, writer, len(self.visits))
        self.visits.append(visit)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._script(visit)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            visit.closed.set()
        finally:
            visit.close()


@asynccontextmanager
async def scripted_servers(folder: Path) -> AsyncIterator[Callable[[Script], Awaitable[ScriptedServer]]]:
    """Yield a function that starts a server with a script; stop them all at the end."""
    servers: list[ScriptedServer] = []

    async def start(script: Script) -> ScriptedServer:
        server = ScriptedServer(folder / f"{len(servers)}.sock", script)
        servers.append(server)
        await server.start()
        return server

    yield start
    for server in servers:
        await server.stop()


async def always_ok(visit: Visit) -> None:
    """Answer every request."""
    while True:
        await visit.request()
        await visit.send(OK)


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
