"""Access logs of real gateways: files that workers share, and readers that take nothing."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from pywatt.config.logger_model import Rotation
from pywatt.logs.transports.rotating_file import SharedFile
from pywatt.mesh.table import MeshTable

Service = Callable[[str], AbstractAsyncContextManager[tuple[Path, asyncio.subprocess.Process]]]
COMBINED = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "([^"]+)" (\d{3}) (\d+) "-" "([^"]*)"')


async def test_requests_of_all_kinds(
    app: Any, service: Service, make_table: Callable[..., MeshTable], folder: Path
) -> None:
    document = {"server": {"accessLog": {"file": "logs/access.log", "format": "combined"}}}
    async with service("one") as (path, _), app.gateway(make_table(1, path), document):
        url = f"http://127.0.0.1:{app.port}"
        async with httpx.AsyncClient(base_url=url, headers={"user-agent": "me"}) as client:
            sizes = [len((await client.get(path)).content) for path in ("/api/nothing", "/none", "/api/large")]
        async with websockets.connect(f"ws://127.0.0.1:{app.port}/api/ws", user_agent_header="me") as socket:
            await socket.send("hi")
            assert await socket.recv() == "HI"
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(b"no HTTP\r\n\r\n")
        await reader.read()
        writer.close()
    lines = (folder / "logs" / "access.log").read_text().splitlines()
    found = [match.groups() for line in lines if (match := COMBINED.fullmatch(line))]
    assert len(found) == len(lines)
    assert found[:3] == [
        ("GET /api/nothing HTTP/1.1", "404", str(sizes[0]), "me"),
        ("GET /none HTTP/1.1", "404", str(sizes[1]), "me"),
        ("GET /api/large HTTP/1.1", "200", str(sizes[2]), "me"),
    ]
    others = {(request, status, agent) for request, status, _, agent in found[3:]}
    assert others == {("GET /api/ws HTTP/1.1", "101", "me"), ("-", "400", "-")}


async def test_a_reader_that_takes_nothing_holds_up_no_request(
    app: Any,
    service: Service,
    make_table: Callable[..., MeshTable],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("pywatt_services.gateway.access_log.access_log.CLOSE_PATIENCE", 0.1)
    monkeypatch.setattr("pywatt_services.gateway.access_log.access_log.LIMIT_BYTES", 256 * 1024)
    os.mkfifo(folder / "access.log")
    reader = os.open(folder / "access.log", os.O_RDONLY | os.O_NONBLOCK)
    document = {"server": {"accessLog": {"file": "access.log"}}}
    query = "x" * 4000
    async with (
        service("one") as (path, _),
        app.gateway(make_table(1, path), document),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{app.port}") as client,
    ):
        for _ in range(120):  # more than a pipe and the writer hold
            assert (await client.get("/api/nothing", params={"q": query})).status_code == 404
    first = json.loads(os.read(reader, 64 * 1024).splitlines()[0])
    os.close(reader)
    assert (first["status"], first["route"], first["query"]) == (404, "api", f"q={query}")
    assert [record for record in caplog.records if "requests are missing in the access log" in record.message]
    assert all(record.levelno == logging.WARNING for record in caplog.records if "missing" in record.message)


def append_numbers(path: Path, writer: int, count: int) -> None:
    file = SharedFile(path, Rotation(max_size=64 * 1024, max_files=16))
    for number in range(count):
        file.write(f"{writer} {number}\n".encode() * 3)
    file.close()


def test_workers_share_a_file_and_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "access.log"
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=append_numbers, args=(path, number, 600)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    files = list(path.parent.iterdir())
    assert 1 < len(files) <= 16
    assert all(file.stat().st_size <= 4096 + 64 for file in files)
    lines = Counter(line for file in files for line in file.read_text().splitlines())
    assert lines == {f"{writer} {number}": 3 for writer in range(3) for number in range(600)}
