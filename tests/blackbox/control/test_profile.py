"""`pywatt profile` of a real worker."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from harness.app import Start
from harness.apps import gateway_and_api
from harness.terminal import Outcome, terminal

Run = Callable[..., Outcome]

BUSY = """
import threading

def crunch():
    while True:
        sum(range(1000))

threading.Thread(target=crunch, daemon=True).start()

async def app(scope, receive, send):
    assert scope["type"] == "http"
"""
GROWS = """
import threading, time

kept = []

def keep():
    while True:
        kept.append(bytearray(10_000))
        time.sleep(0.01)

threading.Thread(target=keep, daemon=True).start()

async def app(scope, receive, send):
    assert scope["type"] == "http"
"""


def test_the_busy_function_is_in_the_profile(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api(BUSY)
    files["web/api/platformatic.json"] = {"type": "python"}
    with start(files) as app:
        assert app.url
        done = run("profile", "api", "--seconds", "1", "-o", "api.txt")
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("Wrote api.txt: ")
        assert "crunch (" in (tmp_path / "api.txt").read_text()
        told = run("profile", "api", "--seconds", "1", "-o", "api.json", "--json").json
        assert (told["file"], told["service"], told["worker"]) == ("api.json", "api", 0)
        assert told["samples"] > 0
        frames = json.loads((tmp_path / "api.json").read_text())["shared"]["frames"]
        assert "crunch" in {frame["name"] for frame in frames}
        with terminal(tmp_path, "profile", "api", "--seconds", "1") as screen:
            screen.wait_for("for 1 s ...")
            assert screen.wait() == 0
        assert "Wrote api-cpu.svg: " in screen.plain
        assert "crunch" in (tmp_path / "api-cpu.svg").read_text()
        wrong = run("profile", "api", "-o", "api.pdf")
        assert wrong.status == 1
        assert "fix: end it in .svg (flame graph)" in wrong.err


def test_the_line_that_holds_memory_is_in_the_profile(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api(GROWS)
    files["web/api/platformatic.json"] = {"type": "python"}
    with start(files) as app:
        assert app.url
        done = run("profile", "api", "memory", "--seconds", "1", "-o", "api.txt")
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("Wrote api.txt: ")
        largest = (tmp_path / "api.txt").read_text().splitlines()[0]
        assert "kept.append(bytearray(10_000)) " in largest
        assert int(largest.rpartition(" ")[2]) > 10_000
        told = run("profile", "api", "memory", "--worker", "7")
        assert (told.status, told.out) == (1, "")
        assert 'the service "api" has no worker 7\nfix: its workers: 0' in told.err


def test_of_a_command_the_program_itself_is_recorded(start: Start, run: Run, tmp_path: Path) -> None:
    program = {"type": "command", "command": {"run": [sys.executable, "main.py"], "http": False}}
    root = {"services": [{"id": "job", "path": "job"}]}
    main = "def crunch():\n    while True:\n        sum(range(1000))\n\nprint('begun', flush=True)\ncrunch()\n"
    with start({"watt.json": root, "job/platformatic.json": program, "job/main.py": main}) as app:
        app.wait_for_text("begun")
        done = run("profile", "job", "--seconds", "1", "-o", "job.txt")
        assert (done.status, done.err) == (0, "")
        assert "crunch (main.py:3)" in (tmp_path / "job.txt").read_text()
        done = run("profile", "job", "memory")
        assert done.status == 1
        assert 'the service "job" runs a program of its own' in done.err
