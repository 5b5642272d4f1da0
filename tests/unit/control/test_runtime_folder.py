"""Runtime folders of several apps, some in containers that share the parent folder, where pids are ambiguous."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from harness.processes import wait_for_end

from pywatt.control import metadata as runtimes
from pywatt.control.discovery import running
from pywatt.control.runtime_folder import RUNTIME_DIR, RuntimeFolder, belongs_to_us, runtime_folder
from pywatt.errors import StartError
from pywatt.worker.process.descendant_mark import new_app_mark

MAKE = """
import os, pathlib, sys
from pywatt.control.runtime_folder import RuntimeFolder
folder = RuntimeFolder(pathlib.Path(sys.argv[1]))
print(folder.path.name, flush=True)
""".strip()


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNTIME_DIR, str(tmp_path / "run"))
    return tmp_path / "run"


def left_over(base: Path) -> Path:
    """Return the folder of an app that was killed."""
    words = [sys.executable, "-c", f"{MAKE}; os._exit(0)", str(base)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return base / done.stdout.strip()


def test_two_apps_with_one_pid_have_a_folder_each(base: Path) -> None:
    with runtime_folder() as first:
        (first.path / "socket").touch()
        with runtime_folder() as second:
            assert second.path != first.path
            assert (first.path / "socket").exists()
            assert belongs_to_us(base)
        assert (first.path / "socket").exists()
    assert not base.exists()


def test_what_was_left_over_is_removed_and_what_lives_is_not(base: Path) -> None:
    with runtime_folder() as first:
        dead = left_over(base)
        assert dead.exists()
        with runtime_folder():
            assert not dead.exists()
            assert first.path.exists()


def test_folders_that_are_not_of_an_app_stay(base: Path) -> None:
    base.mkdir(0o700)
    others = [base / name for name in ("photos", "0123abcd", "7")]
    for other in others:
        other.mkdir()
        (other / "file").touch()
    with runtime_folder():
        pass
    assert all((other / "file").exists() for other in others)


@pytest.mark.parametrize("own", [True, False])
def test_processes_of_a_killed_app_are_killed_unless_this_one_is_among_them(base: Path, own: bool) -> None:
    app = new_app_mark(random.Random())
    code = f"""
import os, pathlib, subprocess, sys
from pywatt.control.runtime_folder import RuntimeFolder
from pywatt.worker.process.descendant_mark import put_mark, worker_mark
put_mark(worker_mark({app}, 1)); none = subprocess.DEVNULL
folder = RuntimeFolder(pathlib.Path(sys.argv[1]), {app})
print(subprocess.Popen(["sleep", "600"], stdout=none, stderr=none, start_new_session=True).pid, flush=True)
os._exit(0)
"""
    done = subprocess.run([sys.executable, "-c", code, str(base)], capture_output=True, text=True, check=True)
    pid = int(done.stdout)
    try:
        start = f"from pywatt.worker.process.descendant_mark import put_mark; put_mark({app if own else 0}); {MAKE}"
        subprocess.run([sys.executable, "-c", start, str(base)], check=True)
        assert wait_for_end([pid], 0 if own else 15) == ([pid] if own else [])
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_an_app_in_another_pid_namespace_lives_on(base: Path) -> None:
    code = f"{MAKE}; sys.stdin.read()"
    words = ["unshare", "--pid", "--fork", "--kill-child", sys.executable, "-c", code, str(base)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        if not name:
            pytest.skip("namespaces are not for this user")
        with runtime_folder() as mine:
            assert (base / name).exists()
            assert mine.path != base / name
        other.stdin.close()
        other.wait()
    with runtime_folder():
        assert not (base / name).exists()


def test_a_folder_that_was_removed_is_made_again_and_locked_again(base: Path) -> None:
    with runtime_folder() as folder:
        assert not folder.ensure()
        shutil.rmtree(base)
        assert folder.stamp() is None
        assert folder.ensure()
        assert belongs_to_us(base)
        with runtime_folder():
            assert folder.path.exists()
        assert not folder.ensure()
    assert not base.exists()


def test_a_folder_that_another_made_by_that_name_is_locked_before_it_is_used(base: Path) -> None:
    with runtime_folder() as folder:
        shutil.rmtree(folder.path)
        folder.path.mkdir(0o700)
        assert folder.ensure()
        with runtime_folder():
            assert folder.path.exists()


def test_an_app_of_another_pid_namespace_is_not_ours_to_command(base: Path) -> None:
    folder = RuntimeFolder(base)
    described = runtimes.describe("me", base, None, version="1", started=5, argv=("pywatt",), pid=os.getpid())
    runtimes.write(folder.path, described)
    assert running(base) == [described]
    assert running(base)[0].folder == folder.path
    file = folder.path / runtimes.METADATA
    file.write_text(json.dumps({**json.loads(file.read_text()), "namespace": 1}))
    assert running(base) == []
    folder.remove()


@pytest.mark.parametrize("place", ["a file", "a link", "open to others"])
def test_a_place_that_is_not_ours_alone_is_refused(base: Path, tmp_path: Path, place: str) -> None:
    if place == "a file":
        base.touch()
    elif place == "a link":
        (tmp_path / "elsewhere").mkdir(0o700)
        base.symlink_to(tmp_path / "elsewhere")
    else:
        base.mkdir()
        base.chmod(0o755)
    with pytest.raises(StartError) as raised, runtime_folder():
        pass
    assert raised.value.hint


def test_the_folder_for_sockets_is_made_with_its_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_DIR, str(tmp_path / "a" / "b"))
    with runtime_folder() as folder:
        assert folder.path.parent == tmp_path / "a" / "b"
        assert belongs_to_us(folder.path.parent)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(RUNTIME_DIR, str(tmp_path / "file" / "b"))
    with pytest.raises(StartError, match="Not a directory") as raised, runtime_folder():
        pass
    assert RUNTIME_DIR in raised.value.hint
    assert not belongs_to_us(tmp_path / "file" / "b")
