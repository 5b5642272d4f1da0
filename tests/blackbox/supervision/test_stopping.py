"""A stop ends soon in every situation, and interrupted commands report it."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

from harness.app import PYWATT, Start, clean_environment
from harness.apps import ASGI_API, Files, gateway_and_api
from harness.processes import wait_for_end
from harness.terminal import command

SERVICES = 12
SLOW_TO_START = f"""
import os, time
if os.path.exists("slow"):
    print("importing", flush=True)
    time.sleep(600)
{ASGI_API}
"""


def many() -> Files:
    names = [f"s{number}" for number in range(SERVICES)]
    return {
        "watt.json": {
            "entrypoint": "s0",
            "web": [{"id": name, "path": name, "dependencies": names[:number]} for number, name in enumerate(names)],
            "restart": {"maxDelay": 0, "intensity": 1000},
        },
        **{f"{name}/app.py": ASGI_API for name in names},
    }


def test_no_worker_is_started_once_the_app_stops(start: Start) -> None:
    with start(many()) as app:
        assert app.url
        workers = [line["child"] for line in list(app.lines) if "started worker" in line["msg"]]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        app.process.send_signal(signal.SIGTERM)
        app.wait_for_text("stopping")
        stopping = next(index for index, line in enumerate(app.lines) if line["msg"].startswith("stopping"))
        assert app.wait() == 0
        assert [line["msg"] for line in app.lines[stopping + 1 :] if "started worker" in line["msg"]] == []
        assert "Traceback" not in app.output


def test_a_restart_that_a_stop_interrupts_says_so(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(SLOW_TO_START, startTimeout=600_000)) as app:
        assert app.get("/api/").status_code == 200
        (tmp_path / "web/api/slow").touch()
        restart = subprocess.Popen(
            [PYWATT, "restart", "api"],
            cwd=tmp_path,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        app.wait_for_text("importing")
        assert app.stop() == 0
        out, err = restart.communicate()
        assert (restart.returncode, out) == (1, "")
        assert "stopped before its new worker was ready" in err


def test_a_forkserver_that_is_stopped_is_replaced(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api()) as app:
        assert app.get("/api/").status_code == 200
        command(tmp_path, "services")
        forkserver = app.forkserver_pid()
        os.kill(forkserver, signal.SIGSTOP)
        assert command(tmp_path, "restart", "api").status == 0
        app.wait_for_text("the forkserver had ended (killed by SIGKILL) and was launched again")
        assert wait_for_end([forkserver]) == []
        assert app.get("/api/").status_code == 200
        assert app.stop() == 0


def test_a_forkserver_that_is_stopped_holds_up_no_stop_and_does_not_stay(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(gracefulShutdown={"runtime": 50_000, "application": 40_000})) as app:
        assert app.get("/api/").status_code == 200
        command(tmp_path, "services")
        forkserver = app.forkserver_pid()
        os.kill(forkserver, signal.SIGSTOP)
        app.process.send_signal(signal.SIGTERM)
        assert app.wait(patience=30) == 0
        assert wait_for_end([forkserver]) == []
