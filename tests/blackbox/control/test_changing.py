"""Commands that change a running app: stop, restart, reload, scale; and the control API's own failures."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp, Start, runtime_folder_of, write_files
from harness.apps import ASGI_API, Files, gateway_and_api
from harness.processes import wait_for_end
from harness.terminal import Outcome, command, terminal

Run = Callable[..., Outcome]


def api_pid(app: RunningApp) -> int:
    return int(app.get("/api/").json()["pid"])


def root_of(files: Files) -> dict[str, Any]:
    document = files["watt.json"]
    assert isinstance(document, dict)
    return document


def test_stop_ends_the_app_and_waits_for_it(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        done = run("stop")
        assert (done.status, done.err) == (0, "")
        assert f"(pid {app.process.pid})" in done.out
        assert app.wait() == 0
        assert run("stop", str(app.process.pid)).status == 1


def test_stop_ends_an_app_that_is_still_starting(start: Start, run: Run) -> None:
    files = gateway_and_api("import time\nprint('importing', flush=True)\ntime.sleep(600)\napp = None\n")
    with start(files) as app:
        app.wait_for_text("importing")
        (mine,) = [row for row in run("ps", "--json").json if row["pid"] == app.process.pid]
        assert (mine["state"], mine["services"]) == ("starting", {})
        done = run("stop", "--json")
        assert done.json == {"stopped": app.process.pid}
        app.wait()


def test_commands_that_act_leave_the_app_of_another_folder_alone(
    start: Start, tmp_path_factory: pytest.TempPathFactory, run: Run
) -> None:
    other_folder = tmp_path_factory.mktemp("elsewhere")
    with start(gateway_and_api()) as app:
        before = api_pid(app)
        for words in (["stop"], ["restart"], ["restart", "api"], ["reload"], ["scale", "api=2"], ["inject", "api"]):
            done = command(other_folder, *words)
            assert (done.status, done.out) == (1, ""), words
            assert f"{app.process.pid} (" in done.err
            assert "fix:" in done.err
        assert api_pid(app) == before
        assert len(run("services", "--json").json[1]["workers"]) == 1
        named = command(other_folder, "restart", str(app.process.pid), "api")
        assert (named.status, named.out) == (0, "Restarted api.\n")


def test_restart_replaces_the_workers_of_the_named_services_only(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api()) as app:
        before, gateway = api_pid(app), app.worker_pid("gateway")
        assert run("restart", "api").out == "Restarted api.\n"
        after = api_pid(app)
        assert after != before
        assert app.worker_pid("gateway") == gateway
        assert wait_for_end([before]) == []
        result = run("restart", tmp_path.name, "--json").json
        assert (sorted(result["restarted"]), result["failed"]) == (["api", "gateway"], {})
        assert api_pid(app) != after
        with terminal(tmp_path, "restart", "gateway") as screen:
            assert screen.wait() == 0
            assert "Restarted gateway." in screen.plain


def test_restart_to_code_that_cannot_start_keeps_the_old_one(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api()) as app:
        before = api_pid(app)
        (tmp_path / "web/api/app.py").write_text("import nothing_like_this\n")
        done = run("restart")
        assert done.status == 1
        assert done.out == "Restarted gateway.\n"
        assert "No module named 'nothing_like_this'" in done.err
        assert api_pid(app) == before
        failed = run("restart", "api", "--json")
        assert failed.status == 1
        assert list(failed.json["failed"]) == ["api"]


def test_reload_applies_the_difference(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api()
    with start(files) as app:
        gateway = app.worker_pid("gateway")
        before = api_pid(app)
        assert run("reload").out == "Reloaded: nothing is different.\n"
        root = root_of(files)
        root["web"] = [root["web"][0], {"id": "api", "path": "web/api", "env": {"A": "1"}}]
        root["web"].append({"id": "extra", "path": "web/extra"})
        write_files(tmp_path, {"watt.json": root, "web/extra/app.py": ASGI_API})
        result = run("reload", "--json").json
        assert (result["added"], result["removed"], result["url"]) == (["extra"], [], app.url)
        assert "api" in result["changed"]
        assert api_pid(app) != before
        assert app.get("/extra/").status_code == 200
        assert app.worker_pid("gateway") != gateway  # it proxies one more
        root["web"].pop()
        write_files(tmp_path, {"watt.json": root})
        with terminal(tmp_path, "reload") as screen:
            assert screen.wait() == 0
            assert "removed extra" in screen.plain
        assert [row["id"] for row in run("services", "--json").json] == ["gateway", "api"]


def test_reload_of_a_broken_config_changes_nothing_and_tells_where(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api()
    with start(files) as app:
        before = api_pid(app)
        write_files(tmp_path, {"watt.json": {**root_of(files), "entrypont": "x"}})
        done = run("reload")
        assert done.status == 2
        for part in ("watt.json:", "entrypont", 'did you mean "entrypoint"'):
            assert part in done.err
        assert api_pid(app) == before


def test_sighup_reloads_too_and_tells_the_outcome_in_the_log(start: Start, tmp_path: Path) -> None:
    files = gateway_and_api()
    with start(files) as app:
        before = api_pid(app)
        write_files(tmp_path, {"watt.json": "{"})
        app.process.send_signal(signal.SIGHUP)
        assert "watt.json" in app.wait_for_text("not reloaded, the app goes on as it was")["msg"]
        root = root_of(files)
        write_files(tmp_path, {"watt.json": {**root, "logger": {"level": "debug"}}})
        app.process.send_signal(signal.SIGHUP)
        app.wait_for_text("reloaded: changed")
        assert api_pid(app) != before


def test_an_app_ends_with_the_terminal_that_it_runs_in(tmp_path: Path, start: Start) -> None:
    write_files(tmp_path, gateway_and_api())
    with terminal(tmp_path, "start", env={"PORT": "0"}) as screen:
        screen.wait_for("pywatt is now listening")
        screen.hang_up()
        assert wait_for_end([screen.process.pid]) == []


def test_scale_changes_the_number_of_workers(start: Start, run: Run, tmp_path: Path) -> None:
    def workers() -> int:
        return len(run("services", "--json").json[1]["workers"])

    with start(gateway_and_api()) as app:
        assert app.url
        assert run("scale", "api=3").out == "Scaled api to 3.\n"
        assert workers() == 3
        assert run("restart", "api").status == 0
        assert workers() == 3
        assert run("scale", tmp_path.name, "api=1", "--json").json == {"scaled": {"api": 1}, "failed": {}}
        assert workers() == 1
        assert api_pid(app)
        with terminal(tmp_path, "scale", "api=2") as screen:
            assert screen.wait() == 0
        for words, told in (
            (("api=0",), "the number of workers is 1 to 512"),
            (("apy=2",), 'no service "apy"'),
            (("api",), "pywatt scale api=2"),
        ):
            done = run("scale", *words)
            assert done.status != 0
            assert told in done.err


def test_the_control_api_is_brought_back_and_the_app_does_not_notice(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        before = api_pid(app)
        control = next(row for row in run("services", "-a", "--json").json if row["internal"])
        os.kill(control["workers"][0]["pid"], signal.SIGKILL)
        again = next(row for row in run("services", "-a", "--json").json if row["internal"])
        assert again["workers"][0]["pid"] != control["workers"][0]["pid"]
        assert again["restarts"] == 1
        assert api_pid(app) == before


def test_a_control_api_that_hangs_holds_up_neither_the_app_nor_its_end(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        before = api_pid(app)
        control = next(row for row in run("services", "-a", "--json").json if row["internal"])
        os.kill(control["workers"][0]["pid"], signal.SIGSTOP)
        assert api_pid(app) == before
        (mine,) = [row for row in run("ps", "--json").json if row["pid"] == app.process.pid]
        assert (mine["state"], mine["services"]) == ("no answer", {})
        assert run("stop").status == 0
        assert app.wait() == 0


def test_others_cannot_reach_the_control_api(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        folder = runtime_folder_of(app)
        assert folder.stat().st_mode & 0o077 == 0
        assert folder.parent.stat().st_mode & 0o077 == 0
        rows = run("services", "-a", "--json").json
        assert next(row for row in rows if row["id"] == "pywatt.control")["url"] is None
        assert json.loads((folder / "metadata.json").read_text())["pid"] == app.process.pid
