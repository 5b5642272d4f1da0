"""Processes that a service starts end with it, even in their own session or with a cleared environment."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp, Start
from harness.processes import wait_for_end
from harness.terminal import command

DAEMONS = """
import os, subprocess, sys

SLEEP = ["sleep", "600"]

def detached():
    # As daemon(7) says: the middle process ends, the last one is nobody's child.
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.setsid()
        last = os.fork()
        if last:
            os.write(writer, str(last).encode())
            os._exit(0)
        os.closerange(0, 1024)
        while True:
            signal.pause()
    os.waitpid(middle, 0)
    return int(os.read(reader, 20))

import signal
started = [
    subprocess.Popen(SLEEP).pid,
    subprocess.Popen(SLEEP, start_new_session=True).pid,
    subprocess.Popen(SLEEP, start_new_session=True, env={}).pid,
    int(subprocess.check_output(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"], env={})),
    detached(),
]
print("descendants", *started, flush=True)
"""
PYTHON = (
    DAEMONS
    + """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
)
QUIET = "async def app(scope, receive, send): ..."
FILES: dict[str, dict[str, str | dict[str, Any]]] = {
    "python": {"api/main.py": PYTHON},
    "command": {
        "api/watt.json": {"type": "command", "command": {"run": [sys.executable, "program.py"], "http": False}},
        "api/program.py": DAEMONS + "\nsignal.pause()\n",
    },
}


def files(kind: str) -> dict[str, str | dict[str, Any]]:
    return {"watt.json": {"services": [{"id": "api", "path": "api"}]}, **FILES[kind]}


def descendants(app: RunningApp, after: int = 0) -> list[int]:
    """Return the pids of the processes that a worker has started, once it is ready."""
    line = app.wait_for(lambda line: line["name"] == "api" and str(line["msg"]).startswith("descendants"), after=after)
    app.wait_for(lambda line: "started worker 0" in line["msg"], after=after)
    pids = [int(pid) for pid in line["msg"].split()[1:]]
    assert wait_for_end(pids, 0) == pids
    return pids


@pytest.mark.parametrize("kind", FILES)
def test_they_end_with_the_app(start: Start, kind: str) -> None:
    with start(files(kind)) as app:
        pids = descendants(app)
        assert app.stop() == 0
        assert wait_for_end(pids) == []


@pytest.mark.parametrize("kind", FILES)
def test_they_end_with_a_supervisor_that_is_killed(start: Start, kind: str) -> None:
    with start(files(kind)) as app:
        pids = descendants(app)
        app.stop(signal.SIGKILL)
        assert wait_for_end(pids) == []


@pytest.mark.parametrize("kind", FILES)
def test_they_end_with_the_next_start_after_supervisor_and_forkserver_were_killed_at_once(
    start: Start, kind: str
) -> None:
    with start(files(kind)) as app:
        pids = descendants(app)
        killed = [app.process.pid, app.forkserver_pid()]
        for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first, so that neither sees the other one's end
            for pid in killed:
                os.kill(pid, number)
        assert wait_for_end(killed) == []
    with start({"watt.json": {"services": [{"id": "api", "path": "api"}]}, "api/main.py": QUIET}) as app:
        app.wait_for_text("started worker 0")
        assert wait_for_end(pids) == []
        assert app.stop() == 0


@pytest.mark.parametrize("kind", FILES)
def test_they_end_with_a_worker_that_crashes(start: Start, kind: str) -> None:
    with start(files(kind)) as app:
        pids = descendants(app)
        seen = len(app.lines)
        os.kill(app.worker_pid("api"), signal.SIGKILL)
        assert wait_for_end(pids) == []
        others = descendants(app, after=seen)
        assert app.stop() == 0
        assert wait_for_end(others) == []


@pytest.mark.parametrize("kind", FILES)
def test_they_end_with_a_worker_that_is_replaced(start: Start, kind: str, tmp_path: Path) -> None:
    with start(files(kind)) as app:
        pids = descendants(app)
        seen = len(app.lines)
        assert command(tmp_path, "restart", "api").status == 0
        others = descendants(app, after=seen)
        assert wait_for_end(pids) == []
        assert wait_for_end(others, 0) == others
        assert app.stop() == 0


def test_an_app_within_an_app_ends_with_it(start: Start) -> None:
    """The inner supervisor and its workers have their own marks."""
    inner = files("python")
    outer: dict[str, str | dict[str, Any]] = {
        "watt.json": {"services": [{"id": "api", "path": "outer", "config": "service.json"}]},
        "outer/service.json": {
            "type": "command",
            "command": {"run": [str(Path(sys.executable).with_name("pywatt")), "start"], "http": False},
        },
        **{f"outer/{name}": content for name, content in inner.items()},
    }
    with start(outer) as app:
        line = app.wait_for(lambda line: str(line["msg"]).startswith("descendants"))
        pids = [int(pid) for pid in line["msg"].split()[1:]]
        app.stop(signal.SIGKILL)
        assert wait_for_end(pids) == []
