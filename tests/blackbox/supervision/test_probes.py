"""Startup, liveness and readiness probes by HTTP and by commands, and services that wait for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from harness.app import Start, write_files
from harness.supervised import TYPE, app
from harness.terminal import command

READINESS = {"readiness": {"http": "/ready", "interval": 50, "failureThreshold": 2}}
JOB = """
import asyncio

async def main():
    print("the job runs")
    await asyncio.Event().wait()
"""


def with_job(files: dict[str, Any]) -> dict[str, Any]:
    files["watt.json"]["web"].append({"id": "job", "path": "job", "dependencies": ["api"]})
    return {**files, "job/watt.json": TYPE, "job/main.py": JOB}


def test_who_depends_on_a_service_waits_until_its_probe_passes(start: Start, tmp_path: Path) -> None:
    asks = ["sh", "-c", "echo $PYWATT_WORKER_SLOT >> asked; test -e go"]
    files = with_job(app(probes={"readiness": {"command": asks, "interval": 50}}))
    write_files(tmp_path, files)
    asked = tmp_path / "api/asked"
    os.mkfifo(asked)
    with asked.open("r+b", buffering=0) as pipe, start(files) as running:
        for _ in range(3):
            assert pipe.read(2) == b"0\n"
        assert "the job runs" not in running.output
        (tmp_path / "api/go").touch()
        running.wait_for_text("the job runs")
        assert running.stop() == 0


def test_a_worker_that_is_not_ready_is_not_called_until_it_is_again(start: Start, tmp_path: Path) -> None:
    with start(app(probes=READINESS)) as running:
        pid = running.get("/set/ready/503").text
        lost = running.wait_for_text('worker 0 of the service "api" is not ready')
        assert lost["msg"].endswith("its readiness probe failed 2 times in a row: GET /ready: status 503")
        [api] = command(tmp_path, "services", "--json").json
        assert (api["state"], api["ready"], api["detail"]) == ("not-ready", 0, lost["msg"].partition(": ")[2])
        assert running.get("/set/ready/200").text == pid
        running.wait_for_text('worker 0 of the service "api" is ready again')
        assert running.stop() == 0


def test_a_start_whose_probe_never_passes_fails_and_says_why(start: Start) -> None:
    files = app(probes=READINESS, env={"READY": "503"})
    files["watt.json"]["startTimeout"] = 1500
    with start(with_job(files)) as running:
        assert running.wait() != 0
        assert "did not get ready within 1.5 s" in running.output
        assert "its readiness probe has not passed yet: GET /ready: status 503" in running.output
        assert "the job runs" not in running.output


def test_a_startup_probe_that_fails_ends_the_start_early(start: Start) -> None:
    probes = {"startup": {"command": ["sh", "-c", "echo not today; exit 9"], "interval": 20, "failureThreshold": 3}}
    with start(app(probes=probes)) as running:
        assert running.wait() != 0
        failed = "its startup probe failed 3 times in a row: sh -c echo not today; exit 9: exit status 9"
        assert f"{failed}, saying: not today" in running.output


def test_a_worker_whose_liveness_fails_is_killed_and_replaced(start: Start) -> None:
    probes = {"liveness": {"http": "/live", "interval": 50, "failureThreshold": 2}}
    with start(app(probes=probes)) as running:
        pid = running.get("/set/live/500").text
        ended = running.wait_for_text('service "api" ended: its liveness probe failed 2 times in a row')
        assert ended["msg"].endswith("GET /live: status 500; starting it again now")
        assert ended["child"] == int(pid)
        assert running.get("/").text != pid
        assert running.stop() == 0


def test_a_hook_of_the_application_is_asked_in_the_worker(start: Start) -> None:
    files = app(probes={"liveness": {"hook": "app:healthy", "interval": 50, "failureThreshold": 2}})
    files["api/app.py"] += "\nasync def healthy():\n    return {'status': STATUS['live'] == 200, 'body': 'not well'}\n"
    with start(files) as running:
        pid = running.get("/set/live/500").text
        ended = running.wait_for_text('service "api" ended: its liveness probe failed 2 times in a row')
        assert ended["msg"].endswith("app:healthy: not well; starting it again now")
        assert running.get("/").text != pid
        assert running.stop() == 0
