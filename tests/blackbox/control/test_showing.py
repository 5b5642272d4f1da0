"""Commands that show a running app: ps, services, env, config, stack, inject."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.app import RunningApp, Start
from harness.apps import gateway_and_api
from harness.terminal import Outcome, command, terminal

Run = Callable[..., Outcome]

WAITS = """
import asyncio

async def far_away():
    await asyncio.Event().wait()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("waiting", flush=True)
    await far_away()
"""
HANGS = """
import time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("hanging", flush=True)
    time.sleep(600)
"""


def test_ps_lists_the_apps_of_this_user(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api()) as app:
        url = app.url
        done = run("ps")
        assert done.status == 0
        assert done.rows[0] == ["PID", "NAME", "STATE", "VERSION", "UPTIME", "URL", "FOLDER"]
        mine = next(row for row in done.rows if row[0] == str(app.process.pid))
        assert (mine[1], mine[2], mine[5], mine[6]) == (tmp_path.name, "ready", url, str(tmp_path))
        assert "\x1b" not in done.out
        document = next(row for row in run("ps", "--json").json if row["pid"] == app.process.pid)
        assert (document["url"], document["root"], document["name"]) == (url, str(tmp_path), tmp_path.name)
        assert document["uptime"] >= 0
        with terminal(tmp_path, "ps") as screen:
            assert screen.wait() == 0
            assert url in screen.plain
            assert "\x1b[1mPID" in screen.text
        assert app.stop() == 0
        assert all(row[0] != str(app.process.pid) for row in run("ps").rows)


def test_services_shows_state_workers_and_use(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api(workers=2)) as app:
        assert app.url
        done = run("services")
        assert done.status == 0
        table = {row[0]: dict(zip(done.rows[0], row, strict=True)) for row in done.rows[1:]}
        assert set(table) == {"gateway *", "api"}
        assert (table["api"]["STATE"], table["api"]["WORKERS"], table["api"]["TYPE"]) == ("ready", "2/2", "python")
        assert table["api"]["MEMORY"].endswith("MB")
        gateway, api = run("services", "--json").json
        assert (gateway["entrypoint"], api["entrypoint"]) == (True, False)
        assert {worker["pid"] for worker in api["workers"]} == {
            int(line["child"]) for line in app.lines if "child" in line and '"api"' in line["msg"]
        }
        assert all(worker["memory"]["pss"] > 0 and worker["cpu"] >= 0 for worker in api["workers"])
        with terminal(tmp_path, "applications", str(app.process.pid)) as screen:
            assert screen.wait() == 0
            assert "\x1b[32mready" in screen.text


def test_the_control_api_is_shown_only_when_asked(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        assert [row["id"] for row in run("services", "--json").json] == ["gateway", "api"]
        assert [row["id"] for row in run("services", "--all", "--json").json] == ["gateway", "api", "pywatt.control"]
        assert app.get("/pywatt.control/api/v1/metadata").status_code == 404


def test_a_crash_loop_is_shown_with_its_reason(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api()
    files["watt.json"]["web"].append({"id": "broken", "path": "web/broken"})  # type: ignore[index,union-attr]
    files["web/broken/main.py"] = """
import asyncio, os, pathlib
marker = pathlib.Path("ran")

async def main():
    if marker.exists():
        raise SystemExit(7)
    marker.touch()
    await asyncio.Event().wait()
"""
    with start(files) as app:
        assert app.url
        os.kill(app.worker_pid("broken"), signal.SIGKILL)
        app.wait_for_text("(crash loop)")
        row = next(row for row in run("services", "--json").json if row["id"] == "broken")
        assert row["state"] == "crash-loop"
        assert row["restarts"] >= 5
        done = run("services")
        assert 'broken: service "broken" failed to start: exit status' in done.out
        shown = run("ps").out
        assert "  crash-loop  " in shown
        assert 'broken is in the state crash-loop: service "broken" failed to start' in shown
        (mine,) = [row for row in run("ps", "--json").json if row["pid"] == app.process.pid]
        assert (mine["state"], mine["services"]["broken"]) == ("crash-loop", "crash-loop")
        mended = "import asyncio\n\nasync def main():\n    await asyncio.Event().wait()\n"
        (tmp_path / "web/broken/main.py").write_text(mended)
        assert run("restart", "broken").status == 0  # a command ends the crash loop
        (mine,) = [row for row in run("ps", "--json").json if row["pid"] == app.process.pid]
        assert mine["state"] == "ready"


def test_env_hides_secrets_unless_asked(start: Start, run: Run) -> None:
    given = {"SHOP_TOKEN": "s3cret", "DB": "postgres://app:s3cret@db/x", "COLOUR": "blue"}
    with start(gateway_and_api(), env=given) as app:
        assert app.url
        done = run("env", "api")
        assert "s3cret" not in done.out
        assert "SHOP_TOKEN=[hidden]" in done.out.splitlines()
        assert "DB=postgres://app:[hidden]@db/x" in done.out.splitlines()
        assert "COLOUR=blue" in done.out.splitlines()
        assert any(line.startswith("PLT_GATEWAY_URL=http://127.0.0.1:") for line in done.out.splitlines())
        assert run("env", "api", "--secrets", "--json").json["SHOP_TOKEN"] == "s3cret"


def test_config_shows_what_pywatt_has_understood(start: Start, run: Run) -> None:
    files = gateway_and_api(env={"API_KEY": "s3cret"})
    files["web/api/platformatic.json"] = {"type": "python", "server": {"engine": "uvicorn"}}
    with start(files) as app:
        assert app.url
        document = run("config").json
        assert document["entrypoint"] == "gateway"
        assert [service["id"] for service in document["services"]] == ["gateway", "api"]
        assert document["shutdown"]["service"] == 10.0
        assert document["log_level"] == "info"
        assert "s3cret" not in json.dumps(document)


def test_stack_tells_where_a_hung_worker_hangs(start: Start, run: Run) -> None:
    with start(gateway_and_api(HANGS)) as app:
        assert app.url
        assert run("inject", "api", "-t", "0.2").status == 1
        app.wait_for_text("hanging")
        done = run("stack", "api")
        assert done.status == 0, done.err
        assert "worker 0" in done.out
        assert 'app.py", line 7 in app' in done.out
        dump = app.wait_for_text("most recent call first")
        assert 'app.py", line 7 in app' in dump["msg"]
        (worker,) = run("stack", "api", "--json").json
        assert any("in app" in line for line in worker["lines"])
        app.process.kill()


def test_stack_tells_what_requests_wait_for(start: Start, run: Run) -> None:
    with start(gateway_and_api(WAITS)) as app:
        assert app.url
        assert run("inject", "api", "-t", "0.2").status == 1
        app.wait_for_text("waiting")
        shown = run("stack", "api").out
        _, _, tasks = shown.partition("task waits (most recent call first):")
        assert 'app.py", line 5 in far_away\n' in tasks
        assert 'app.py", line 10 in app\n' in tasks
        app.process.kill()


def test_stack_tells_that_a_worker_cannot_run_at_all(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        pid = app.worker_pid("api")
        os.kill(pid, signal.SIGSTOP)
        try:
            done = run("stack", "api")
            assert done.status == 1
            assert f"pid {pid}" in done.err
            assert "T (stopped)" in done.err
        finally:
            os.kill(pid, signal.SIGCONT)


def test_inject_sends_a_request_past_the_gateway(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        for words in (
            ("inject", "api", "/x/y?z=2"),
            ("inject", "/api/x/y?z=2"),
            ("inject", tmp_path.name, "api", "/x/y?z=2"),
        ):
            assert run(*words).json["path"] == "/x/y"
        answer = run("inject", "api", "-p", "/x/y?z=1", "-X", "put", "-H", "X-Test: 1", "-d", "hello").json
        assert (answer["path"], answer["method"], answer["body"]) == ("/x/y", "PUT", "hello")
        (tmp_path / "body.txt").write_text("from a file")
        assert run("inject", "api", "-d", "@body.txt").json["body"] == "from a file"
        full = run("inject", "api", "-f").out.splitlines()
        assert full[:3] == ["> GET / HTTP/1.1", "> host: api.plt.local", "< HTTP/1.1 200 OK"]
        assert run("inject", "api", "--json").json["status"] == 200
        assert json.loads(run("inject", "-p", "/nowhere/x").out)["statusCode"] == 404  # the entrypoint
        with terminal(tmp_path, "inject", "api") as screen:
            assert screen.wait() == 0
            assert '"path": "/"' in screen.plain


@pytest.mark.parametrize("words", [("env", "apy"), ("stack", "apy"), ("inject", "apy"), ("restart", "api", "apy")])
def test_an_unknown_service_is_told_with_the_known_ones(start: Start, run: Run, words: tuple[str, ...]) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        done = run(*words)
        assert done.status == 1
        assert 'no service "apy"' in done.err
        assert 'did you mean "api"? known ids: api, gateway' in done.err
        assert "pywatt.control" not in done.err


@pytest.mark.parametrize(
    "words",
    [("services",), ("stop",), ("restart",), ("reload",), ("config",), ("env", "x"), ("scale", "x=2"), ("logs",)],
)
def test_a_name_that_no_app_has_is_told(run: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    alone = {"PYWATT_RUNTIME_DIR": str(tmp_path / "run"), "XDG_STATE_HOME": str(tmp_path)}
    done = run(words[0], "no-app-has-this-name", *words[1:], env=alone)
    assert done.status == 1
    assert "no-app-has-this-name" in done.err


def test_of_several_apps_one_is_chosen_by_folder_name_or_pid(
    start: Start, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def pid(folder: Path, *words: str) -> int:
        return int(command(folder, "inject", *words, "-p", "/").json["pid"])

    def only_api(app: RunningApp) -> int:
        return app.worker_pid("api")

    other_folder = tmp_path_factory.mktemp("elsewhere")
    with start(gateway_and_api()) as first, start(gateway_and_api()) as second:
        assert first.url
        assert second.url
        done = command(tmp_path, "services")
        assert done.status == 1
        assert "2 apps run: say which one" in done.err
        assert str(first.process.pid) in done.err
        assert pid(tmp_path, str(first.process.pid), "api") == only_api(first)
        assert pid(other_folder, str(second.process.pid), "api") == only_api(second)
        assert second.stop() == 0
        assert pid(tmp_path / "web" / "api", "api") == only_api(first)
        assert pid(other_folder, tmp_path.name, "api") == only_api(first)
        assert pid(other_folder, str(tmp_path), "api") == only_api(first)
