"""An application is imported like any program: in the main thread, without a running event loop."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp, Start
from harness.apps import Files

ANSWER = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(word).encode()})
"""
LOAD = "import asyncio\nasync def load():\n    await asyncio.sleep(0)\n    return 'loaded'\n"

RUN_A_LOOP = {
    "asyncio.run": f"{LOAD}word = asyncio.run(load())\n{ANSWER}",
    "asyncio.run in uvloop": f"import uvloop\n{LOAD}word = uvloop.run(load())\n{ANSWER}",
    "anyio.run": f"import anyio\n{LOAD}word = anyio.run(load)\n{ANSWER}",
    "a new loop": f"{LOAD}loop = asyncio.new_event_loop()\nword = loop.run_until_complete(load())\n{ANSWER}",
    "the loop, then closed": (
        f"{LOAD}loop = asyncio.get_event_loop()\nword = loop.run_until_complete(load())\nloop.close()\n{ANSWER}"
    ),
    "a factory": (
        f"{LOAD}def create_app():\n    global word\n    word = asyncio.run(load())\n    return answer\n"
        + ANSWER.replace("def app", "def answer")
    ),
    "an async factory": (
        f"{LOAD}async def create_app():\n    global word\n    word = await load()\n    return answer\n"
        + ANSWER.replace("def app", "def answer")
    ),
    "flask": (
        f"from flask import Flask\n{LOAD}word = asyncio.run(load())\napp = Flask(__name__)\n"
        "@app.get('/')\ndef it():\n    return word\n"
    ),
}


@pytest.mark.parametrize("way", RUN_A_LOOP)
def test_a_module_may_run_a_loop_of_its_own(start: Start, way: str) -> None:
    with start({"watt.json": {}, "app.py": RUN_A_LOOP[way]}) as app:
        assert app.get("/").text == "loaded"
        assert app.stop() == 0


def test_what_a_module_leaves_on_its_loop_runs_in_the_loop_that_serves(start: Start) -> None:
    source = """
import asyncio

word = "not run"

async def later():
    global word
    word = "run"

asyncio.get_event_loop().create_task(later())
"""
    with start({"watt.json": {}, "app.py": source + ANSWER}) as app:
        assert app.get("/").text == "run"


def test_code_that_needs_a_running_loop_is_told_where_there_is_one(start: Start) -> None:
    with start({"watt.json": {}, "app.py": f"import asyncio\nword = asyncio.get_running_loop()\n{ANSWER}"}) as app:
        failure = app.wait_for_text("RuntimeError: no running event loop")
        assert "Make what needs one in the lifespan" in failure["err"]["stack"]
        assert app.wait() == 1


SLEEPS = f"""
import atexit, time

atexit.register(print, "exit handler")
print("begins", flush=True)
time.sleep(600)
{ANSWER}
"""


PATIENT = {"gracefulShutdown": {"application": 50000, "runtime": 55000}}


def in_a_folder(source: str, **root: Any) -> Files:
    return {"watt.json": {"web": [{"id": "main", "path": "main"}], **root}, "main/app.py": source}


def begin(app: RunningApp) -> float:
    app.wait_for_text("begins")
    return time.monotonic()


def test_a_stop_ends_a_long_import_at_once(start: Start) -> None:
    with start(in_a_folder(SLEEPS, **PATIENT)) as app:
        begun = begin(app)
        assert app.stop() == 0
        assert time.monotonic() - begun < 25
        app.wait_for_text("exit handler")


def test_a_signal_to_a_worker_that_imports_is_told_as_such(start: Start) -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nimport time\ntime.sleep(600)\n" + ANSWER
    with start({"watt.json": {}, "app.py": source}) as app:
        assert app.wait() == 1
    assert f"failed to start: exit status {128 + signal.SIGTERM}" in app.output


def test_an_import_is_bounded_by_start_timeout(start: Start) -> None:
    with start(in_a_folder(SLEEPS, startTimeout=3000)) as app:
        assert app.wait() == 1
    assert "did not get ready within 3 s" in app.output


def test_a_save_during_a_long_import_starts_over_at_once(start: Start, tmp_path: Path) -> None:
    with start(in_a_folder(f"word = 'old'\n{ANSWER}", **PATIENT), "dev") as app:
        assert app.get("/").text == "old"
        path = tmp_path / "main/app.py"
        path.write_text(SLEEPS)
        begun = begin(app)
        path.write_text(f"word = 'new'\n{ANSWER}")
        app.wait_for_text("new code of the service")
        assert time.monotonic() - begun < 25
        assert app.get("/").text == "new"
