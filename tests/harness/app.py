"""Runs the installed `pywatt` on a folder and waits for facts in its output."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx

PYWATT = Path(sys.executable).with_name("pywatt")
PATIENCE = 60.0
"""Seconds after which a fact that did not come is a failure. Generous: CI machines have two busy cores."""

Line = dict[str, Any]


class RunningApp:
    """A `pywatt start` in a separate process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[Line] = []
        self.stderr: list[str] = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read_stdout, daemon=True),
            threading.Thread(target=self._read_stderr, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def url(self) -> str:
        """The address it said it listens at; waits for that line."""
        return str(self.wait_for(lambda line: "url" in line)["url"])

    def wait_for(self, wanted: Callable[[Line], bool], *, after: int = 0, patience: float = PATIENCE) -> Line:
        """Return the first matching log line, from number `after` on; fail if the app ends without it."""
        seen = after

        def found() -> Line | None:
            nonlocal seen
            while seen < len(self.lines):
                seen += 1
                if wanted(self.lines[seen - 1]):
                    return self.lines[seen - 1]
            return None

        with self._changed:
            line: Line | None = None

            def done() -> bool:
                nonlocal line
                line = found()
                return line is not None or not self._readers[0].is_alive()

            self._changed.wait_for(done, timeout=patience)
            if line is None:
                raise AssertionError(f"no such line in the output:\n{self.output}")
            return line

    def wait_for_text(self, text: str, *, after: int = 0, patience: float = PATIENCE) -> Line:
        """Return the first log line whose message contains the text."""
        return self.wait_for(lambda line: text in str(line.get("msg")), after=after, patience=patience)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request to the public address."""
        return httpx.request(method, self.url + path, timeout=PATIENCE, **options)

    def get(self, path: str, **options: Any) -> httpx.Response:
        """GET from the public address."""
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        """POST to the public address."""
        return self.request("POST", path, **options)

    def forkserver_pid(self) -> int:
        """Return the pid of the forkserver: the first child that is not a worker."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        workers = {line["child"] for line in self.lines if "child" in line}
        return next(int(child) for child in children if int(child) not in workers)

    def worker_pid(self, service: str) -> int:
        """Return the pid of the newest worker of a service."""
        self.wait_for(lambda line: f'the service "{service}"' in line["msg"] and "child" in line)
        lines = [line for line in self.lines if f'the service "{service}"' in line["msg"] and "child" in line]
        return int(lines[-1]["child"])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit status once the process and its output have ended."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self, patience: float = PATIENCE) -> int:
        """Return the exit status once the process and its output have ended."""
        status = self.process.wait(patience)
        for reader in self._readers:
            reader.join(patience)
        return status

    @property
    def output(self) -> str:
        """The full output, for the message of a failed test."""
        return "\n".join([*(json.dumps(line) for line in self.lines), *self.stderr])

    def _read_stdout(self) -> None:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"msg": text.rstrip("\n")}
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _read_stderr(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            self.stderr.append(text.rstrip("\n"))


class Start(Protocol):
    """Runs `pywatt` on files in a temporary folder."""

    def __call__(
        self, files: Mapping[str, str | dict[str, Any]], *arguments: str, env: Mapping[str, str] | None = None
    ) -> AbstractContextManager[RunningApp]:
        """Write the files and start."""
        ...


@contextmanager
def run_pywatt(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, through: Sequence[str] = ()
) -> Iterator[RunningApp]:
    """Run `pywatt` in a folder; it is killed at the end if it still runs. `through`: a command that runs it."""
    process = subprocess.Popen(
        [*through, PYWATT, *(arguments or ("start",))],
        cwd=folder,
        env={**clean_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    app = RunningApp(process)
    try:
        yield app
    finally:
        if process.poll() is None:
            process.kill()
        app.wait()
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def runtime_folder_of(app: RunningApp, base: Path | None = None) -> Path:
    """Return the folder with the sockets of a running app."""
    for folder in (base or Path(f"/tmp/pywatt-{os.getuid()}")).iterdir():
        try:
            told = json.loads((folder / "metadata.json").read_text())
        except (OSError, ValueError):
            continue  # of another app, which begins or ends
        if told["pid"] == app.process.pid:
            return folder
    raise AssertionError(f"no folder of the app:\n{app.output}")


def clean_environment() -> dict[str, str]:
    """Return this process's environment without variables that would change an app's config."""
    dropped = ("KAFKA_", "PLT_", "PORT", "PYWATT_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(dropped)}


def write_files(folder: Path, files: Mapping[str, str | dict[str, Any]]) -> Path:
    """Write files below a folder; a dict becomes JSON."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
    return folder
