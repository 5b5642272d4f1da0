"""A resource that the kernel denies, or a removed folder, costs the supervisor one start and never the app."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.app import PYWATT, RunningApp, Start, clean_environment, runtime_folder_of, write_files
from harness.apps import ASGI_API, Files, gateway_and_api
from harness.terminal import Outcome, command

NO_BACKOFF = {"maxDelay": 200, "intensity": 1000}


def app_files() -> Files:
    return gateway_and_api(restart=NO_BACKOFF)


def pid_of(app: RunningApp) -> int:
    """Return the pid of the worker that answers, over a connection of the gateway's own."""
    return int(app.get("/api/").json()["pid"])


def with_another_service(files: Files) -> Files:
    root = files["watt.json"]
    assert isinstance(root, dict)
    document = dict(root)
    document["web"] = [*document["web"], {"id": "more", "path": "web/more"}]
    return {"watt.json": document, "web/more/app.py": ASGI_API}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "run"


def commands(folder: Path, base: Path) -> Callable[..., Outcome]:
    return lambda *words: command(folder, *words, env={"PYWATT_RUNTIME_DIR": str(base)})


def test_a_runtime_folder_that_was_removed_is_made_again(start: Start, tmp_path: Path, base: Path) -> None:
    with start(app_files(), env={"PYWATT_RUNTIME_DIR": str(base)}) as app:
        before = pid_of(app)
        seen = len(app.lines)
        shutil.rmtree(base)
        app.wait_for_text("the workers that listen there are replaced: api, gateway", after=seen)
        app.wait_for_text('started worker 0 of the service "api"', after=seen)
        app.wait_for_text('started worker 0 of the service "gateway"', after=seen)
        assert pid_of(app) != before, "nobody could open another connection to the old one"
        run = commands(tmp_path, base)
        assert run("restart", "api").status == 0, "the control API can be reached again"
        assert runtime_folder_of(app, base).stat().st_mode & 0o077 == 0
        assert app.stop() == 0
    assert not base.exists()


def test_a_worker_that_ends_while_the_folder_is_gone_is_started_again(start: Start, base: Path) -> None:
    with start(app_files(), env={"PYWATT_RUNTIME_DIR": str(base)}) as app:
        before = pid_of(app)
        shutil.rmtree(base)
        os.kill(before, signal.SIGKILL)
        seen = len(app.lines)
        app.wait_for_text('started worker 0 of the service "api"', after=seen)
        assert pid_of(app) != before
        assert app.stop() == 0


def test_a_folder_that_cannot_be_made_delays_starts_and_ends_nothing(start: Start, base: Path) -> None:
    with start(app_files(), env={"PYWATT_RUNTIME_DIR": str(base)}) as app:
        before = pid_of(app)
        shutil.rmtree(base)
        base.write_text("a file in its place")
        seen = len(app.lines)
        os.kill(before, signal.SIGKILL)
        line = app.wait_for_text('service "api" cannot be started', after=seen)
        assert "starting it again in" in line["msg"]
        app.wait_for_text('service "api" cannot be started', after=len(app.lines))
        base.unlink()
        app.wait_for_text('started worker 0 of the service "api"', after=seen)
        assert pid_of(app) != before
        assert app.stop() == 0


def limit_files(app: RunningApp, most: int | None) -> None:
    """Limit the supervisor to its open descriptors; None: remove the limit."""
    _, hard = resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(app.process.pid, resource.RLIMIT_NOFILE, (most or 1024, hard))


def test_without_descriptors_a_start_is_tried_again_and_a_reload_undone(start: Start, tmp_path: Path) -> None:
    files = app_files()
    with start(files) as app:
        before = pid_of(app)
        app.wait_for(lambda line: "pywatt is now listening" in line["msg"])
        limit_files(app, 3)
        os.kill(before, signal.SIGKILL)
        app.wait_for_text("Too many open files")
        seen = len(app.lines)
        write_files(tmp_path, with_another_service(files))
        app.process.send_signal(signal.SIGHUP)
        app.wait_for_text("not reloaded, the app goes on as it was", after=seen)
        limit_files(app, None)
        app.wait_for_text('started worker 0 of the service "api"', after=seen)
        assert pid_of(app) != before
        app.process.send_signal(signal.SIGHUP)
        app.wait_for_text("reloaded: added more", after=seen)
        assert app.stop() == 0


def test_a_limit_of_files_that_is_too_low_is_an_error_with_a_remedy(tmp_path: Path, base: Path) -> None:
    write_files(tmp_path, app_files())
    script = f"ulimit -n 40; exec {shlex.quote(str(PYWATT))} start"
    env = {**clean_environment(), "PYWATT_RUNTIME_DIR": str(base), "PORT": "0"}
    done = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs at least" in done.stderr
    assert "ulimit -n" in done.stderr


def no_folder(app: RunningApp, folder: Path) -> None:
    shutil.rmtree(folder)


def no_config(app: RunningApp, folder: Path) -> None:
    (folder / "watt.json").unlink()


def no_service(app: RunningApp, folder: Path) -> None:
    shutil.rmtree(folder / "web/api")


def a_folder_for_a_file(app: RunningApp, folder: Path) -> None:
    no_config(app, folder)
    (folder / "watt.json").mkdir()


def not_text(app: RunningApp, folder: Path) -> None:
    (folder / "watt.json").write_bytes(b"\xff\xfe\x00{")


@pytest.mark.parametrize("harm", [no_folder, no_config, no_service, a_folder_for_a_file, not_text])
@pytest.mark.parametrize("mode", ["start", "dev"])
def test_nothing_that_a_reload_meets_ends_the_app(
    start: Start, tmp_path: Path, harm: Callable[[RunningApp, Path], None], mode: str
) -> None:
    with start(app_files(), mode) as app:
        before = pid_of(app)
        seen = len(app.lines)
        harm(app, tmp_path)
        app.process.send_signal(signal.SIGHUP)
        app.wait_for_text("not reloaded, the app goes on as it was", after=seen)
        assert pid_of(app) == before
        assert app.stop() == 0
