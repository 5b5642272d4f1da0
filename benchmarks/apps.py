"""Starts an app by its command line, finds out where it listens, weighs its process tree, stops it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/kafka-app"
PYWATT = str(Path(sys.executable).with_name("pywatt"))

ORIGINAL = os.environ.get("ORIGINAL_APP")
"""Folder of the same app for the original (Node), with its node_modules; unset: it is not measured."""

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 30.0  # seconds
POLL = 0.005  # seconds between two attempts to reach an app that does not listen yet
KEPT_LINES = 50


class AppError(Exception):
    """The app ended, answered wrongly or did not get ready; the message holds its last output."""


@dataclass
class App:
    """A running app."""

    process: subprocess.Popen[str]
    begun: float
    """`time.perf_counter()` just before it was started."""
    port: int
    output: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return status and body. Raises OSError when nothing answers, AppError when the app has ended."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_TIMEOUT)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except OSError:
            self.check()
            raise
        finally:
            connection.close()

    def wait_for(self, path: str, headers: Mapping[str, str] | None = None) -> float:
        """Wait until the path answers 200; return the seconds since the app was started."""
        deadline = self.begun + START_TIMEOUT
        last = "nothing listened"
        while time.perf_counter() < deadline:
            self.check()
            try:
                status, body = self.get(path, headers)
            except (OSError, http.client.HTTPException) as error:
                last = repr(error)
            else:
                if status == http.HTTPStatus.OK:
                    return time.perf_counter() - self.begun
                last = f"{status} {body[:200]!r}"
            time.sleep(POLL)
        raise self._failed(f"GET {path}: {last}")

    def check(self) -> None:
        """Raise AppError when the app has ended."""
        if (status := self.process.poll()) is not None:
            raise self._failed(f"ended with exit status {status}")

    def tree(self) -> list[int]:
        """Return the pids of the app's process and all its descendants."""
        children: dict[int, list[int]] = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
            except OSError:  # ended meanwhile
                continue
            children.setdefault(parent, []).append(int(stat.parent.name))
        found = [self.process.pid]
        for pid in found:
            found.extend(children.get(pid, ()))
        return found

    def cpu_seconds(self) -> float:
        """Return the CPU time that all processes of the app have used."""
        nanoseconds = 0
        for pid in self.tree():
            for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
                nanoseconds += int(file.read_text().split()[0])
        return nanoseconds / 1e9

    def memory(self) -> float:
        """Return the proportional set size of the whole tree in MB."""
        self.check()
        return proportional_memory(self.tree())

    def stop(self) -> float:
        """Send SIGTERM and return the seconds until it ended. Raises AppError unless the exit status is 0."""
        begun = time.perf_counter()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(STOP_TIMEOUT)
        if status != 0:
            raise self._failed(f"exit status {status} after SIGTERM")
        return time.perf_counter() - begun

    def _failed(self, what: str) -> AppError:
        return AppError(f"{what}\n" + "".join(self.output))


def proportional_memory(pids: Sequence[int]) -> float:
    """Return the proportional set size of these processes in MB."""
    kilobytes = 0
    for pid in pids:
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # ended meanwhile
            continue
        kilobytes += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kilobytes / 1024


@contextmanager
def running(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> Iterator[App]:
    """Run an app on a free loopback port (variable PORT), from its folder; it is ended with the context."""
    port = free_port()
    environment = {**os.environ, "PLT_SERVER_HOSTNAME": "127.0.0.1", "PORT": str(port), **(env or {})}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    app = App(process, begun, port)
    reader = threading.Thread(target=app.output.extend, args=(process.stdout,), daemon=True)
    reader.start()
    try:
        yield app
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(STOP_TIMEOUT)


def original_command(folder: str) -> list[str]:
    """Return the command that starts the original in that folder."""
    programs = Path(folder).absolute() / "node_modules/.bin"
    node = programs / "node"  # the app brings its own: see benchmarks/original
    return [*([str(node)] if node.exists() else []), str(programs / "wattpm"), "start"]


def free_port() -> int:
    """Return a loopback TCP port that nothing listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
