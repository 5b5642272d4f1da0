"""A Python prompt inside a running worker: it awaits, prints, is interrupted, and leaves the worker alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import PYWATT, Start, clean_environment
from harness.browser import dashboard_url

pytestmark = pytest.mark.blackbox

API = """
import asyncio

async def app(scope, receive, send):
    print("a request", flush=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(seen).encode()})

seen = []
app.seen = seen
"""
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": "api",
        "watchdog": {"timeout": 2000},
        "web": [{"id": "api", "path": "api"}, {"id": "program", "path": "program"}],
    },
    "api/app.py": API,
    "program/watt.json": {"module": "command", "command": {"run": "sleep 1000", "http": False}},
}


class Prompt:
    """`pywatt repl`, whose input is a pipe."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        self._in, self._out = process.stdin, process.stdout

    def say(self, *lines: str) -> None:
        self._in.write("".join(f"{line}\n" for line in lines))
        self._in.flush()

    def heard(self) -> str:
        return self._out.readline().rstrip("\n")

    def ask(self, *lines: str) -> str:
        self.say(*lines)
        return self.heard()

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)


@contextmanager
def prompt(folder: Path, *words: str) -> Iterator[Prompt]:
    process = subprocess.Popen(
        [PYWATT, "repl", *words],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield Prompt(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait() == 0


def test_statements_await_and_errors(start: Start, tmp_path: Path) -> None:
    with start(FILES, "dev") as app:
        pid = app.worker_pid("api")
        with prompt(tmp_path, "api") as python:
            assert python.ask("import os; os.getpid()") == str(pid)
            assert python.ask("def double(x):", "    return 2 * x", "", "double(21)") == "42"
            assert python.ask("_ + 1") == "43"
            assert python.ask("import asyncio; await asyncio.sleep(0, 'awaited')") == "'awaited'"
            assert python.ask("app.seen.append('by hand'); print('printed')") == "printed"
            assert app.get("/").text == "['by hand']"
            app.wait_for_text("a request")  # the app's own output goes to its log
            assert python.ask("1 / 0") == "Traceback (most recent call last):"
            while not python.heard().startswith("ZeroDivisionError"):
                pass
            assert python.ask("raise SystemExit(3)").startswith("Traceback")
            while not python.heard().startswith("SystemExit"):
                pass
            assert "SyntaxError" in "".join(python.ask("a b") + "".join(python.heard() for _ in range(3)))
        assert app.worker_pid("api") == pid
        assert app.get("/").status_code == 200
        app.wait_for_text('a Python prompt was opened in worker 0 of the service "api"')
        assert app.stop() == 0


@pytest.mark.parametrize(
    "endless",
    [
        "print('begun'); [None for _ in iter(int, 1)]",
        "print('begun'); await asyncio.sleep(3600)",
        # It holds the event loop itself.
        "print('begun'); await asyncio.sleep(0); [None for _ in iter(int, 1)]",
    ],
)
def test_ctrl_c_interrupts_what_goes_on_for_ever(start: Start, tmp_path: Path, endless: str) -> None:
    with start(FILES, "dev") as app:
        pid = app.worker_pid("api")
        with prompt(tmp_path, "api") as python:
            assert python.ask("import asyncio", endless) == "begun"
            python.interrupt()
            assert python.heard() == "KeyboardInterrupt"
            assert python.ask("'goes on'") == "'goes on'"
        assert app.get("/").status_code == 200
        assert app.worker_pid("api") == pid
        assert app.stop() == 0


def test_a_prompt_that_is_killed_leaves_nothing_behind(start: Start, tmp_path: Path) -> None:
    with start(FILES, "dev") as app:
        pid = app.worker_pid("api")
        command = [str(PYWATT), "repl", "api"]
        with subprocess.Popen(
            command, cwd=tmp_path, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            python = Prompt(process)
            assert python.ask("print('begun'); [None for _ in iter(int, 1)]") == "begun"
            process.kill()
        with prompt(tmp_path, "api") as python:
            asked = "import threading; sum(t.name.startswith('prompt') for t in threading.enumerate())"
            while python.ask(asked) != "3":
                pass
        assert os.path.exists(f"/proc/{pid}")
        assert app.stop() == 0


def refused(folder: Path, *words: str) -> str:
    done = subprocess.run(
        [PYWATT, "repl", *words],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    return done.stderr


def test_production_has_to_allow_it(start: Start, tmp_path: Path) -> None:
    with start(FILES) as app:
        assert app.url
        said = refused(tmp_path, "api")
        assert "pywatt repl is off in production" in said
        assert '"repl": true' in said
        assert app.stop() == 0
    with start({**FILES, "watt.json": {**FILES["watt.json"], "repl": True}}) as app:
        assert app.url
        with prompt(tmp_path, "api") as python:
            assert python.ask("1 + 1") == "2"
        assert app.stop() == 0


def test_it_is_for_python_only_and_not_over_the_dashboard(start: Start, tmp_path: Path) -> None:
    with start(FILES, "dev") as app:
        assert app.url
        assert "runs a program of its own" in refused(tmp_path, "program")
        origin, _, token = dashboard_url(app).partition("#token=")
        bearer = {"Authorization": f"Bearer {token}"}
        body = {"socket": str(tmp_path / "x"), "worker": 0}
        answer = httpx.post(f"{origin}api/v1/services/api/repl", headers=bearer, json=body)
        assert answer.status_code in (404, 405)
        assert json.loads(answer.text)["error"]
        assert app.stop() == 0
