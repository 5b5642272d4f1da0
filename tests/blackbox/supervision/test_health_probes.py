"""The endpoints `healthProbes`, as an orchestrator asks them."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import PATIENCE, RunningApp, Start, write_files
from harness.supervised import TYPE, app

CHECKED = """
STATE = {"ready": True}

def ready():
    if STATE["ready"]:
        return True
    return {"status": False, "statusCode": 429, "body": {"queue": "full"}}

async def app(scope, receive, send):
    if scope["type"] == "http":
        STATE["ready"] = "busy" not in scope["path"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""

CRASHES = """
import asyncio, os

async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await asyncio.sleep(0.3)
    os._exit(3)
"""


def probes_of(running: RunningApp) -> str:
    """Return the URL of the health endpoints."""
    said = running.wait_for_text("health endpoints are served at")["msg"]
    port = re.search(r":(\d+): ", said)
    assert port is not None
    return f"http://127.0.0.1:{port[1]}"


def ask(url: str) -> tuple[int, dict[str, Any]]:
    answer = httpx.get(url, timeout=PATIENCE)
    return answer.status_code, answer.json()


def wait(url: str, wanted: Callable[[int, dict[str, Any]], bool]) -> dict[str, Any]:
    """Ask again and again until the answer is the wanted one; return its document."""
    limit = time.monotonic() + PATIENCE
    while True:
        status, document = ask(url)
        if wanted(status, document):
            return document
        assert time.monotonic() < limit, document


def files(own: dict[str, Any] | None = None, *, probes: dict[str, Any] | None = None, **keys: Any) -> dict[str, Any]:
    found = app(own=own, **keys)
    found["watt.json"]["healthProbes"] = {"hostname": "127.0.0.1", "port": 0, **(probes or {})}
    return found


def test_stop_makes_it_not_ready_while_the_public_socket_serves_on(start: Start) -> None:
    with start(files(probes={"shutdownDelay": 1500})) as running:
        health = probes_of(running)
        assert ask(f"{health}/ready") == (
            200,
            {
                "status": "ready",
                "services": {"api": {"ready": True, "state": "ready", "workers": 1, "readyWorkers": 1}},
            },
        )
        assert ask(f"{health}/status") == (200, {"status": "live"})
        running.process.send_signal(signal.SIGTERM)
        running.wait_for_text("not ready any more")
        status, document = ask(f"{health}/ready")
        assert (status, document["reason"]) == (503, "the app is stopping")
        assert ask(f"{health}/status")[0] == 200
        # New connections, too: the orchestrator has yet to send clients elsewhere.
        assert running.get("/").status_code == 200
        assert running.wait() == 0
        for url in (running.url, health):
            try:
                httpx.get(url, timeout=PATIENCE)
            except httpx.TransportError:
                continue
            raise AssertionError(f"{url} still answers")


def test_failing_check_names_its_service_and_gives_status_and_body(start: Start) -> None:
    own = {"probes": {"readiness": {"hook": "app:ready", "interval": 50, "failureThreshold": 1}}}
    with start({**files(own), "api/app.py": CHECKED}) as running:
        health = probes_of(running)
        assert ask(f"{health}/ready")[0] == 200
        running.get("/busy")
        document = wait(f"{health}/ready", lambda status, _: status != 200)
        assert document == {"queue": "full"}
        assert httpx.get(f"{health}/ready").status_code == 429
        assert ask(f"{health}/status")[0] == 200
        assert running.stop() == 0


def test_failing_http_check_is_shown_with_its_body(start: Start) -> None:
    own = {"probes": {"readiness": {"http": "/ready", "interval": 50, "failureThreshold": 1}}}
    with start(files(own)) as running:
        health = probes_of(running)
        running.get("/set/ready/500")
        document = wait(f"{health}/ready", lambda status, _: status == 503)
        row = document["services"]["api"]
        assert row["check"]["statusCode"] == 500
        assert row["check"]["body"].isdigit()
        assert "GET /ready: status 500" in row["reason"]
        assert document["reason"] == f"api: {row['reason']}"


def test_states_of_services_count_by_the_policy(start: Start) -> None:
    other = {"id": "crashes", "path": "crashes", "restart": {"intensity": 0}}
    probes = {"readiness": {"policy": ["crashes"]}, "liveness": {"policy": ["crashes"], "fail": {"statusCode": 500}}}
    with start(
        {**files(others=[other], probes=probes), "crashes/watt.json": TYPE, "crashes/app.py": CRASHES}
    ) as running:
        health = probes_of(running)
        document = wait(f"{health}/ready", lambda status, found: found["services"]["crashes"]["state"] == "crash-loop")
        assert document["services"]["api"]["ready"]
        assert not document["services"]["crashes"]["ready"]
        wait(f"{health}/ready", lambda status, _: status == 503)
        wait(f"{health}/status", lambda status, _: status == 500)
        assert running.get("/").status_code == 200


def test_hung_control_worker_neither_lies_nor_lasts(start: Start) -> None:
    with start(files()) as running:
        health = probes_of(running)
        os.kill(running.wait_for_text("health endpoints are served at")["pid"], signal.SIGSTOP)
        with pytest.raises(httpx.ReadTimeout):  # no answer, rather than a wrong one
            httpx.get(f"{health}/status", timeout=0.3)
        served = len(running.lines)
        running.wait_for_text("gave no sign of life")
        found = running.wait_for_text("health endpoints are served at", after=served)["msg"]
        assert ask(re.sub(r".* (http\S+): .*", r"\1/status", found)) == (200, {"status": "live"})
        assert running.get("/").status_code == 200


def test_reload_applies_to_the_endpoints_and_to_the_log(start: Start, tmp_path: Path) -> None:
    with start(files()) as running:
        probes_of(running)
        served = len(running.lines)
        root = files(probes={"readiness": {"endpoint": "/up"}, "shutdownDelay": 0})["watt.json"]
        write_files(tmp_path, {"watt.json": {**root, "logger": {"messageKey": "text"}}})
        running.process.send_signal(signal.SIGHUP)
        line = running.wait_for(lambda line: "health endpoints are served at" in line.get("text", ""), after=served)
        health = line["text"].split(" at ")[1].split(": ")[0]
        assert ask(f"{health}/up")[0] == 200
        assert httpx.get(f"{health}/ready").status_code == 404
        assert running.stop() == 0
