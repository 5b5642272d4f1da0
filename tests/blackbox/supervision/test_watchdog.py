"""Workers that hang, that take too much memory or are unhealthy."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import httpx
import pytest
from harness.app import PATIENCE, RunningApp, Start
from harness.supervised import app


def ask_and_forget(url: str) -> None:
    """Send a request whose answer does not matter."""

    def ask() -> None:
        try:
            httpx.get(url, timeout=PATIENCE)
        except httpx.HTTPError:
            return

    threading.Thread(target=ask, daemon=True).start()


def restarted(running: RunningApp, pid: int) -> int:
    """Wait until another worker than that one has started; return its pid."""
    line = running.wait_for(lambda line: "started worker" in line["msg"] and line.get("child", pid) != pid)
    return int(line["child"])


def test_a_blocked_event_loop_is_seen_its_stack_is_logged_and_it_is_replaced(start: Start) -> None:
    with start(app(watchdog={"timeout": 800})) as running:
        url, pid = running.url, running.worker_pid("api")
        ask_and_forget(f"{url}/block")
        seen = running.wait_for_text("has given no sign of life")
        assert seen["child"] == pid
        stack = running.wait_for(lambda line: line.get("pid") == pid and "most recent call first" in line["msg"])
        assert 'app.py", line' in stack["msg"]
        ended = running.wait_for_text('service "api" ended: its event loop gave no sign of life for')
        assert (ended["child"], ended["level"]) == (pid, 50)
        assert restarted(running, pid) == int(running.get("/").text)
        assert running.stop() == 0


def test_a_stopped_process_is_replaced(start: Start) -> None:
    with start(app(watchdog={"timeout": 600})) as running:
        running.wait_for(lambda line: "url" in line)
        pid = running.worker_pid("api")
        os.kill(pid, signal.SIGSTOP)
        ended = running.wait_for_text('service "api" ended: its event loop gave no sign of life for')
        assert "(watchdog); the process is T (stopped)" in ended["msg"]
        assert restarted(running, pid) == int(running.get("/").text)
        assert running.stop() == 0


def test_a_worker_that_is_busy_for_less_than_the_limit_is_left_alone(start: Start) -> None:
    with start(app(watchdog={"timeout": 60_000})) as running:
        pid = running.get("/").text
        assert running.get("/wait/0.3").text == pid
        assert running.stop() == 0
        assert "sign of life" not in running.output


def test_a_worker_above_its_memory_limit_is_replaced_without_a_gap(start: Start) -> None:
    keys: dict[str, Any] = {"maxMemory": "200MB", "health": {"gracePeriod": 0, "interval": 1000, "maxELU": 100}}
    with start(app(**keys)) as running:
        pid = running.get("/").text
        running.get("/hog/230")
        seen = running.wait_for_text("is replaced as soon as another one serves: it uses")
        assert "and its limit is 200 MB (maxMemory)" in seen["msg"]
        assert restarted(running, int(pid)) != int(pid)
        assert running.get("/").status_code == 200
        assert running.stop() == 0
        assert "ended:" not in running.output


def test_a_worker_far_beyond_its_memory_limit_is_killed(start: Start) -> None:
    with start(app(maxMemory="100MB", watchdog={"timeout": 2000})) as running:
        pid = running.get("/").text
        ask_and_forget(f"{running.url}/hog/250")
        ended = running.wait_for_text('service "api" ended: it uses')
        assert "its limit is 100 MB (maxMemory)" in ended["msg"]
        assert str(restarted(running, int(pid))) == running.get("/").text
        assert running.stop() == 0


@pytest.mark.parametrize(
    ("restart", "status", "text"),
    [
        ({"policy": "transient"}, 0, 'the service "api" has done its work'),
        ({"policy": "temporary"}, 3, "exit status 3; its restart policy leaves it at that"),
        ({"intensity": 0}, 4, "exit status 4; starting it again now (crash loop)"),
    ],
)
def test_restart_policies(start: Start, restart: dict[str, object], status: int, text: str) -> None:
    with start(app(restart=restart)) as running:
        running.wait_for(lambda line: "url" in line)
        pid = running.worker_pid("api")
        ask_and_forget(f"{running.url}/exit/{status}")
        assert running.wait_for_text(text)["child"] == pid
        assert running.stop() == 0
