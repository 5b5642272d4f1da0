"""Libraries detect asyncio in a worker's tasks, callbacks and threads."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from harness.app import run_pywatt, write_files

pytest.importorskip("sniffio", reason="anyio asks sniffio only where it is installed, as scripts/frameworks does")

APP = """
import asyncio
import json

import anyio
import sniffio


async def asked(ask):
    result = asyncio.get_running_loop().create_future()

    def callback():
        try:
            result.set_result(ask())
        except Exception as error:
            result.set_result(type(error).__name__)

    asyncio.get_running_loop().call_soon(callback)
    return await result


async def nothing():
    pass


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise ValueError
    async with anyio.create_task_group() as tasks:
        started = str(await asked(lambda: (tasks.start_soon(nothing), "started")[1]))
    said = [started, await asked(sniffio.current_async_library)]
    said.append(await asyncio.to_thread(lambda: anyio.run(nothing)))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
"""


def test_callbacks_start_tasks_and_threads_loops_of_their_own(tmp_path: Path) -> None:
    gateway = {"module": "@platformatic/gateway"}
    files: dict[str, str | dict[str, Any]] = {
        "watt.json": {"web": [{"id": name, "path": name} for name in ("gateway", "api")]},
        "gateway/platformatic.json": gateway,
        "api/app.py": APP,
    }
    write_files(tmp_path, files)
    with (
        tempfile.TemporaryDirectory(prefix="pywatt-") as runtime,
        run_pywatt(tmp_path, env={"PORT": "0", "PYWATT_RUNTIME_DIR": runtime}) as app,
    ):
        assert app.get("/api/").json() == ["started", "asyncio", None]
        assert app.stop() == 0
