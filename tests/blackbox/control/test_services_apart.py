"""Start, stop and `exec` of single services; commands before a start; detached apps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import Start, write_files
from harness.apps import ASGI_API, Files, gateway_and_api
from harness.processes import wait_for_end
from harness.terminal import Outcome, command

Run = Callable[..., Outcome]


def states(run: Run) -> dict[str, str]:
    return {row["id"]: row["state"] for row in run("services", "--json").json}


def test_a_service_is_stopped_and_started_again(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        before = app.get("/api/").json()["pid"]
        address = next(row["url"] for row in run("services", "--json").json if row["id"] == "api")
        assert run("stop", "api").out == "Stopped api.\n"
        assert wait_for_end([before]) == []
        assert states(run) == {"gateway": "ready", "api": "stopped"}
        assert [row["state"] for row in run("ps", "--json").json if row["pid"] == app.process.pid] == ["stopped"]
        with pytest.raises(httpx.ConnectError):
            httpx.get(address)
        assert run("stop", "api").out == "Stopped before.\n"
        assert run("reload").status == 0
        assert run("restart").out == "Restarted gateway.\n"
        assert states(run)["api"] == "stopped"
        assert run("start", "api").out == "Started api.\n"
        assert states(run) == {"gateway": "ready", "api": "ready"}
        assert app.get("/api/").json()["pid"] != before
        assert httpx.get(address).status_code == 200
        assert run("start", "api").out == "They run already.\n"
        assert run("stop", "apo").status == 1
        assert app.stop() == 0


def test_the_entrypoint_keeps_its_address_over_a_stop(start: Start, run: Run) -> None:
    with start({"app.py": ASGI_API}) as app:
        url = app.url
        assert run("stop", "main").status == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
        assert run("restart", "main").status == 0
        assert httpx.get(url).status_code == 200


def test_only_some_services_are_started(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api(), "start", "api", "--port", "0") as app:
        assert app.get("/").status_code == 200
        assert states(run) == {"api": "ready"}
        assert run("start", "gateway").err.endswith(" pywatt stop, then pywatt start api gateway\n")
        root = gateway_and_api()["watt.json"]
        assert isinstance(root, dict)
        write_files(tmp_path, {"watt.json": {**root, "web": [*root["web"], {"id": "new", "path": "web/api"}]}})
        assert run("start", "new", env={"PORT": "0"}).err.endswith("\nfix: pywatt reload\n")


def test_a_service_that_the_app_runs_without_is_told(start: Start, run: Run) -> None:
    files = gateway_and_api()
    root = files["watt.json"]
    assert isinstance(root, dict)
    root["web"] = [*root["web"], {"id": "admin", "path": "web/api", "profiles": ["ops"]}]
    files["web/gateway/platformatic.json"] = {"gateway": {"applications": [{"id": "api"}, {"id": "admin"}]}}
    with start(files) as app:
        assert (app.get("/api/").status_code, app.get("/admin/").status_code) == (200, 404)
        told = run("start", "admin")
        assert told.status == 1
        assert 'the app runs without the service "admin"' in told.err
        assert "\nfix: a running app takes in no service that it was started without: pywatt stop, then " in told.err
        assert told.err.endswith("pywatt start gateway api admin\n")
        assert run("exec", "admin", "--", "printenv", "PWD", env={"PORT": "0"}).out.endswith("/web/api\n")
    with start(files, "start", "--profile", "ops") as app:
        assert app.get("/admin/").status_code == 200


def hooked(*commands: str | list[str]) -> Files:
    files: Files = {"watt.json": {"web": [{"id": "api", "path": ".", "workers": 2, "beforeStart": list(commands)}]}}
    return {**files, "app.py": ASGI_API}


def test_commands_run_once_before_the_workers_start(start: Start, run: Run, tmp_path: Path) -> None:
    noted = "import os; open('ran.txt', 'a').write(os.environ['PLT_API_URL'] + '\\n'); print('migrated')"
    with start(hooked(["python", "-c", noted], "test ! -e fail")) as app:
        assert app.url
        texts = [line["msg"] for line in app.lines]
        assert texts.index("migrated") < texts.index('started worker 0 of the service "api"')
        assert (tmp_path / "ran.txt").read_text().count("http://127.0.0.1:") == 1
        before = app.get("/").json()["pid"]
        assert run("restart", "api").status == 0
        assert (tmp_path / "ran.txt").read_text().count("http://127.0.0.1:") == 2
        (tmp_path / "fail").write_text("")
        failed = run("restart", "api")
        assert failed.status == 1
        assert "beforeStart: test '!' -e fail: exit status 1" in failed.err
        assert app.get("/").json()["pid"] != before
        assert app.stop() == 0


def test_a_command_that_fails_is_a_failed_start(start: Start) -> None:
    with start(hooked(["sh", "-c", "echo no table >&2; exit 3"])) as app:
        assert app.wait() == 1
    report = "\n".join(app.stderr)
    assert "beforeStart: sh -c 'echo no table >&2; exit 3': exit status 3" in report
    assert "| no table" in report
    assert "\nfix: correct the command or what it needs" in report
    assert any(line["msg"] == "no table" for line in app.lines)
    with start(hooked("there-is-no-such-program")) as app:
        assert app.wait() == 1
    assert "there-is-no-such-program: No such file or directory" in "\n".join(app.stderr)


def test_a_stop_ends_a_command_that_goes_on(start: Start) -> None:
    with start(hooked(["sh", "-c", "echo begun; sleep 600"])) as app:
        app.wait_for_text("begun")
        app.stop()


def test_a_command_is_run_in_the_environment_of_a_service(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api()
    root = files["watt.json"]
    assert isinstance(root, dict)
    root["web"] = [root["web"][0], {"id": "api", "path": "web/api", "env": {"GREETING": "hello {NAME:-you}"}}]
    write_files(tmp_path, files)
    program = "import os, sys; print(os.getcwd(), os.environ['GREETING'], os.environ.get('PLT_GATEWAY_URL'), *sys.argv)"
    inside = ("exec", "api", "--", "python", "-c", program, "--flag", "x")
    assert run(*inside, env={"PORT": "0"}).out == f"{tmp_path}/web/api hello you None -c --flag x\n"
    assert run("exec", "api", "--", sys.executable, "-c", "raise SystemExit(7)", env={"PORT": "0"}).status == 7
    with start(files) as app:
        assert app.url
        assert "http://127.0.0.1:" in run(*inside, env={"PORT": "0"}).out
    nobody = run("exec", "apo", "x", env={"PORT": "0"})
    assert nobody.status == 1
    assert 'did you mean "api"' in nobody.err
    missing = run("exec", "api", "nothing-of-that-name", env={"PORT": "0"}).err
    assert 'there is no program "nothing-of-that-name"' in missing
    assert "\nfix: correct the name, install the program" in missing


@pytest.fixture
def detached(run: Run, tmp_path: Path) -> Any:
    write_files(tmp_path, {"app.py": ASGI_API})
    yield tmp_path
    run("stop")


def test_a_detached_app_is_ready_when_the_command_returns(detached: Path, run: Run) -> None:
    done = run("start", "--detach", "--port", "0")
    assert (done.status, done.err) == (0, "")
    url = done.out.split(" at ")[1].split()[0].rstrip(".")
    assert httpx.get(url).status_code == 200
    pid = int(done.out.split("(pid ")[1].partition(")")[0])
    assert f"(pid {pid})" in run("stop").out
    assert wait_for_end([pid]) == []
    assert "now listening" in run("logs").out


def test_a_detached_app_that_fails_tells_why(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path, {"app.py": "import nothing_of_that_name\napp = None\n"})
    done = run("start", "-d")
    assert (done.status, done.out) == (1, "")
    assert "No module named 'nothing_of_that_name'" in done.err
    assert done.err.startswith("error: main: ")
    refused = command(tmp_path, "start", "-d", "--config", "nope.json")
    assert refused.status == 1
    assert "there is no such file" in refused.err
