"""The end of a worker is that of a Python program: threads finish, exit handlers run, within the time of a stop."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp, Start
from harness.apps import Files

APP = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
WORK = """
import atexit, multiprocessing, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

atexit.register(print, "exit handler", flush=True)

def work():
    with open("go"):
        print("work is done", flush=True)

def never():
    while True:
        time.sleep(1)

processes = multiprocessing.get_context("fork")
"""
KINDS = {
    "thread": "threading.Thread(target={0}, name='worker bee').start()",
    "thread pool": "ThreadPoolExecutor(thread_name_prefix='worker bee').submit({0})",
    "process": "processes.Process(target={0}, name='worker bee').start()",
}


def files(start: str, **root: Any) -> Files:
    return {"watt.json": {"web": [{"id": "main", "path": "main"}], **root}, "main/app.py": WORK + start + APP}


def say_go(folder: Path) -> None:
    """Let the work continue once it waits: opening a pipe waits for its other end."""
    (folder / "main/go").open("w").close()


def begin_to_stop(app: RunningApp) -> None:
    app.get("/")
    app.process.terminate()
    app.wait_for_text("stopping")


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    (tmp_path / "main").mkdir()
    os.mkfifo(tmp_path / "main/go")
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_a_stop_waits_for_work_and_then_runs_the_exit_handlers(start: Start, pipe: Path, kind: str) -> None:
    with start(files(KINDS[kind].format("work"))) as app:
        begin_to_stop(app)
        say_go(pipe)
        assert app.wait() == 0
    said = [line["msg"] for line in app.lines if line["msg"] in ("work is done", "exit handler")]
    # Processes are waited for by an exit handler of multiprocessing, which may be called behind this one.
    assert (sorted(said, reverse=True) if kind == "process" else said) == ["work is done", "exit handler"]


@pytest.mark.parametrize("kind", KINDS)
def test_work_that_never_ends_is_cut_off_by_name(start: Start, pipe: Path, kind: str) -> None:
    with start(files(KINDS[kind].format("never"), gracefulShutdown={"application": 2000})) as app:
        begin_to_stop(app)
        begun = time.monotonic()
        assert app.wait() == 0
        assert time.monotonic() - begun < 20
    cut = app.wait_for_text("did not end within 2 s and is cut off")
    assert "worker bee" in cut["msg"]
    assert cut["level"] == 40
    if kind != "process":
        assert "in never" in cut["msg"]
        app.wait_for_text("exit handler")


def test_a_shutdown_of_the_application_that_never_ends_is_named(start: Start) -> None:
    source = """
import time
from contextlib import asynccontextmanager
from starlette.applications import Starlette

@asynccontextmanager
async def lifespan(app):
    yield
    time.sleep(600)

app = Starlette(lifespan=lifespan)
"""
    root = {"web": [{"id": "main", "path": "main"}], "gracefulShutdown": {"application": 2000}}
    with start({"watt.json": root, "main/app.py": source}) as app:
        begin_to_stop(app)
        assert app.wait() == 0
    assert 'the main thread (in lifespan, "' in app.wait_for_text("is cut off")["msg"]


def test_daemon_threads_and_idle_pools_hold_nothing_up(start: Start, tmp_path: Path) -> None:
    idle = "pool = ThreadPoolExecutor()\npool.submit(int).result()\nthreading.Thread(target=never, daemon=True).start()"
    with start(files(idle)) as app:
        begin_to_stop(app)
        assert app.wait() == 0
    app.wait_for_text("exit handler")
    assert "cut off" not in app.output


def test_a_failed_start_is_told_before_its_threads_are_waited_for(start: Start, tmp_path: Path) -> None:
    with start(files(KINDS["thread"].format("never") + "\nimport nothing_like_this\n")) as app:
        told = app.wait_for_text("ModuleNotFoundError")
        assert app.wait() == 1
    assert app.lines.index(told) < app.lines.index(app.wait_for_text("cut off: thread worker bee"))


TERMINATES = """
import asyncio, multiprocessing, time

def start_and_terminate():
    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(600,))
    process.start()
    process.terminate()
    process.join()
    return process.exitcode

async def app(scope, receive, send):
    assert scope["type"] == "http"
    status = await asyncio.to_thread(start_and_terminate)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(status).encode()})
"""


def test_a_forked_child_can_be_terminated_and_its_worker_goes_on(start: Start) -> None:
    with start({"watt.json": {}, "app.py": TERMINATES}) as app:
        assert [app.get("/").text for _ in range(2)] == ["-15", "-15"]
        assert app.stop() == 0
        assert len([line for line in app.lines if "started worker" in line["msg"]]) == 1
