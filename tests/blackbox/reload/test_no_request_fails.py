"""Rolling restarts and reloads under load: no request fails, nor a stream or WebSocket shorter than the drain.

PYWATT_RELOADS=20 runs the full form: so many restarts and reloads, and an import of 20 s. Else a few, for every day.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import PATIENCE, PYWATT, RunningApp, Start
from harness.load import Tally, load
from harness.load_apps import API, loaded_app, root_file
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ROUNDS = int(os.environ.get("PYWATT_RELOADS", "2"))
IMPORT_SECONDS = 20 if ROUNDS >= 20 else 4

pytestmark = pytest.mark.timeout(120 + 30 * ROUNDS)


def restart(app: RunningApp, *services: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PYWATT, "restart", str(app.process.pid), *services], capture_output=True, text=True, timeout=PATIENCE + 60
    )


def reload(app: RunningApp, outcome: str = "reloaded: ") -> None:
    """Reload the files and wait for the result."""
    seen = len(app.lines)
    app.process.send_signal(signal.SIGHUP)
    app.wait_for_text(outcome, after=seen)


def write_root(folder: Path, **changes: Any) -> None:
    (folder / "watt.json").write_text(json.dumps(root_file(**changes)))


def check(tally: Tally, app: RunningApp) -> None:
    print(tally)
    assert tally.failures.total() == 0, f"{tally}\n{app.output}"
    assert all(tally.done[kind] for kind in ("get", "fresh", "idle", "post", "slow", "called", "events", "echo")), tally


@pytest.mark.parametrize("engine", ["uvicorn", "hypercorn"])
def test_rolling_restarts(start: Start, engine: str) -> None:
    rounds = ROUNDS if engine == "uvicorn" else 1
    with start(loaded_app(engine=engine)) as app:
        with load(app.url) as tally:
            tally.wait_for_more()
            for _ in range(rounds):
                for service in ("api", "gateway", "caller"):
                    done = restart(app, service)
                    assert done.returncode == 0, done.stderr
                    tally.wait_for_more()
            tally.wait_for(lambda seen: min(seen.ended["socket"], seen.ended["stream"]) >= 2)
        check(tally, app)
        assert app.stop() == 0


def test_reloads(start: Start, tmp_path: Path) -> None:
    with start(loaded_app(version="0")) as app:
        with load(app.url) as tally:
            tally.wait_for_more()
            for number in range(1, ROUNDS + 1):
                version = str(number)
                write_root(tmp_path, version=version, workers=1 + number % 2, more=number % 4 in (1, 2))
                reload(app)
                tally.wait_for(lambda seen, version=version: seen.answers[version] > 0)  # type: ignore[misc]
                tally.wait_for_more()
        check(tally, app)
        assert app.stop() == 0


def test_code_that_is_broken_or_slow_to_import_never_takes_the_old_down(start: Start, tmp_path: Path) -> None:
    code = tmp_path / "web/api/app.py"
    with start(loaded_app(version="old")) as app:
        with load(app.url) as tally:
            tally.wait_for_more()
            code.write_text("def broken(")
            write_root(tmp_path, version="broken")
            reload(app, "not reloaded, the app goes on as it was")
            tally.wait_for_more()
            refused = restart(app, "api")
            assert refused.returncode == 1, refused
            assert "SyntaxError" in refused.stderr, refused
            tally.wait_for_more()
            assert set(tally.answers) == {"old"}

            code.write_text(f"import time\ntime.sleep({IMPORT_SECONDS})\n{API}")
            write_root(tmp_path, version="slow")
            seen = len(app.lines)
            app.process.send_signal(signal.SIGHUP)
            tally.wait_for_more(120)
            assert set(tally.answers) == {"old"}
            app.wait_for_text("reloaded: ", after=seen)
            tally.wait_for(lambda seen: seen.answers["slow"] > 0)
        check(tally, app)
        assert app.stop() == 0


def test_workers_on_their_way_out_do_not_hold_up_the_end_of_the_app(start: Start) -> None:
    with (
        start(loaded_app(drain=600_000)) as app,
        httpx.Client(base_url=app.url) as client,
        connect(app.url.replace("http", "ws") + "/api/ws") as websocket,
    ):
        assert client.get("/api/fast").status_code == 200
        for service in ("api", "gateway"):
            assert restart(app, service).returncode == 0
        websocket.send("still there")
        assert websocket.recv(timeout=PATIENCE) == "still there"
        app.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(timeout=PATIENCE)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        assert app.wait(patience=8) == 0
