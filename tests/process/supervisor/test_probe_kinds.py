"""Probes over real sockets and by real programs."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from harness.processes import wait_for_end

from pywatt.config.model import ProbeConfig
from pywatt.supervisor.monitor.probe_kinds import probe_command, probe_http
from pywatt.supervisor.process.forkserver import Forkserver
from pywatt.supervisor.process.reaper import Reaper, open_reaper

pytestmark = pytest.mark.anyio
LONG = 20.0


@asynccontextmanager
async def answering(answer: bytes | None, path: Path | None = None) -> AsyncIterator[str]:
    """Listen and give every client this answer; None: never answer. Yields the address."""
    requests: list[bytes] = []
    clients: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        clients.add(task)
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        if answer is not None:
            writer.write(answer)
            writer.write_eof()
        await reader.read()
        writer.close()
        await writer.wait_closed()

    if path is not None:
        server: asyncio.Server = await asyncio.start_unix_server(serve, path)
        address = f"unix:{path}"
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"tcp:127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield address
        await asyncio.gather(*clients)
    if requests:
        assert requests[0].startswith(b"GET /ready HTTP/1.1\r\nhost: api.plt.local\r\n")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "GET /ready: status 404"),
        (b"HTTP/1.1 503\r\n\r\n", "GET /ready: status 503"),
        (b"SSH-2.0-OpenSSH\r\n", "GET /ready: not an HTTP answer: b'SSH-2.0-OpenSSH\\r\\n'"),
        (b"", "GET /ready: the connection was closed without an answer"),
    ],
)
async def test_http(answer: bytes, problem: str, tmp_path: Path) -> None:
    async with answering(answer) as address:
        assert (await probe_http(address, "/ready", "api", LONG)).problem == problem
    async with answering(answer, tmp_path / "s") as address:
        assert (await probe_http(address, "/ready", "api", LONG)).problem == problem


async def test_no_answer_in_time() -> None:
    async with answering(None) as address:
        assert (await probe_http(address, "/ready", "api", 0.05)).problem == "GET /ready: no answer within 0.05 s"


async def test_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for address in (f"unix:{tmp_path}/none", f"tcp:127.0.0.1:{port}"):
        assert (await probe_http(address, "/ready", "api", LONG)).problem.startswith("GET /ready: ")


@asynccontextmanager
async def supervised() -> AsyncIterator[tuple[Reaper, Forkserver]]:
    async with open_reaper() as reaper:
        forkserver = Forkserver()
        ended = reaper.watch(forkserver.pid)
        try:
            yield reaper, forkserver
        finally:
            forkserver.close()
            await ended


def probe(*command: str, timeout: float = LONG) -> ProbeConfig:
    return ProbeConfig(command=command, interval=1, timeout=timeout)


async def test_programs(tmp_path: Path) -> None:
    env = {**os.environ, "WORD": "hello"}
    (tmp_path / "here").touch()
    async with supervised() as (reaper, forkserver):

        async def ask(*command: str) -> str:
            return await probe_command(probe(*command), env, tmp_path, reaper, forkserver)

        assert await ask("test", "-e", "here") == ""
        assert await ask("sh", "-c", "echo $WORD; exit 3") == "sh -c echo $WORD; exit 3: exit status 3, saying: hello"
        assert await ask("./none") == "./none: No such file or directory"


async def test_a_program_that_takes_too_long_goes_with_what_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = f"import os, time; os.fork(); open({str(note)!r}, 'a').write(f'{{os.getpid()}}\\n'); time.sleep(3600)"
    async with supervised() as (reaper, forkserver):
        asked = probe(sys.executable, "-c", code, timeout=1.5)
        said = await probe_command(asked, os.environ, tmp_path, reaper, forkserver)
        assert said.endswith("not done within 1.5 s")
        pids = [int(line) for line in note.read_text().split()]
        assert await asyncio.to_thread(wait_for_end, pids) == []


async def test_a_forkserver_that_was_killed_still_ends_what_its_successor_adopted(tmp_path: Path) -> None:
    async with open_reaper() as reaper:
        forkserver = Forkserver()
        launched = asyncio.Event()
        staying = asyncio.create_task(forkserver.stay(reaper, lambda _status: launched.set()))
        sleeper = await asyncio.create_subprocess_exec("sleep", "3600", start_new_session=True)
        await forkserver.adopt(sleeper.pid)
        first = forkserver.pid
        os.kill(first, 9)
        async with asyncio.timeout(LONG):
            await launched.wait()
        assert forkserver.pid != first
        staying.cancel()
        ended = reaper.watch(forkserver.pid)
        forkserver.close()
        async with asyncio.timeout(LONG):
            await ended
        assert await asyncio.to_thread(wait_for_end, [sleeper.pid]) == []
