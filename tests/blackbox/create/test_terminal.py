"""`pywatt create` on a terminal: its questions, and the effect of the answers."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from harness.app import PYWATT, clean_environment, write_files
from harness.processes import MARKER

PATIENCE = 30.0

Run = Callable[..., AbstractContextManager["Terminal"]]


class Terminal:
    """A program on its own terminal."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self.shown = ""
        self._descriptor = descriptor
        self._read_until = 0

    def expect(self, text: str) -> None:
        """Wait until the text is shown, after the previously expected text."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.shown.find(text, self._read_until)) < 0:
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"{text!r} was not shown:\n{self.shown}")
        self._read_until = found + len(text)

    def answer(self, question: str, text: str = "") -> None:
        """Wait for a question and type the answer."""
        self.expect(question)
        os.write(self._descriptor, f"{text}\n".encode())

    def end(self) -> int:
        """Return its exit status."""
        while self._read(PATIENCE):
            pass
        return self.process.wait(PATIENCE)

    def _read(self, patience: float) -> bool:
        if not select.select([self._descriptor], [], [], max(0, patience))[0]:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # EIO: the program has closed the terminal
            return False
        self.shown += data.decode()
        return bool(data)


@pytest.fixture
def terminal(tmp_path: Path, marker: str) -> Run:
    @contextmanager
    def run(*arguments: str) -> Iterator[Terminal]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [PYWATT, "create", *arguments],
            cwd=tmp_path,
            env={**clean_environment(), MARKER: marker, "COLUMNS": "200"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        try:
            yield Terminal(process, ours)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            os.close(ours)

    return run


def test_a_new_app_with_enter_alone(terminal: Run, tmp_path: Path) -> None:
    with terminal("shop") as it:
        it.expect(f"A new app in {tmp_path}/shop")
        it.answer("Begin with gateway")
        it.answer("Another service?")
        it.expect("create watt.json")
        assert not (tmp_path / "shop").exists()
        it.answer("Write that?")
        it.expect("cd shop && pywatt dev")
        assert it.end() == 0
    assert (tmp_path / "shop" / "watt.json").is_file()


def test_services_of_choice(terminal: Run, tmp_path: Path) -> None:
    with terminal("shop") as it:
        it.answer("Begin with", "n")
        it.expect("python:asgi")
        it.answer("Which", "99")
        it.expect("99")
        it.answer("Which", "5")
        it.answer("Its id [api]", "Wrong Id")
        it.expect("cannot be an id")
        it.answer("Its id [api]", "site")
        it.answer("Another service?", "y")
        it.answer("Which", "5")
        it.answer("Its id [api]")
        it.answer("Another service?", "y")
        it.answer("Which", "5")
        it.answer("Its id [api-2]")
        it.answer("Another service?", "n")
        it.answer("Write that?")
        assert it.end() == 0
    folders = {path.name for path in (tmp_path / "shop" / "web").iterdir()}
    assert folders == {"site", "api", "api-2", "gateway"}


def test_no_is_no(terminal: Run, tmp_path: Path) -> None:
    with terminal("shop", "--service", "api=python:asgi") as it:
        it.answer("Write that?", "n")
        assert it.end() != 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_file_is_overwritten_when_the_user_says_so(terminal: Run, tmp_path: Path, answer: str) -> None:
    write_files(tmp_path, {"README.md": "mine\n"})
    with terminal("--service", "api=python:asgi") as it:
        it.answer(f"{tmp_path}/README.md is there already, with other content. Overwrite it?", answer)
        it.answer("Write that?")
        assert it.end() == 0
    assert ((tmp_path / "README.md").read_text() == "mine\n") is (answer == "n")


def test_a_service_more(terminal: Run, tmp_path: Path) -> None:
    write_files(tmp_path, {"watt.json": {"web": [{"id": "old", "path": "old"}]}, "old/app.py": "app = 1\n"})
    with terminal() as it:
        it.expect("has the services old.")
        it.answer("Which", "6")
        it.answer("Its id [worker]")
        it.answer("Another service?")
        it.expect("change watt.json")
        it.answer("Write that?")
        assert it.end() == 0
    assert '"worker"' in (tmp_path / "watt.json").read_text()
