"""Runs `pywatt` commands as a user does: piped, or in a terminal of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.app import PATIENCE, PYWATT, clean_environment

COLUMNS, ROWS = 200, 50
_STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Outcome:
    """The output of a command and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON that it printed."""
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of the table that it printed, header first."""
        return [re.split(r" {2,}", line) for line in self.out.splitlines()]


def command(folder: Path, *arguments: str, env: Mapping[str, str] | None = None) -> Outcome:
    """Run a command in a folder, piped, to its end."""
    done = subprocess.run(
        [PYWATT, *arguments],
        cwd=folder,
        env={**clean_environment(), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


class Terminal:
    """A command that runs in a terminal."""

    def __init__(
        self, folder: Path, *arguments: str, env: Mapping[str, str] | None = None, program: str | Path = PYWATT
    ) -> None:
        self.text = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        dropped = {"NO_COLOR", "FORCE_COLOR"}
        inherited = {name: value for name, value in clean_environment().items() if name not in dropped}
        self.process = subprocess.Popen(
            [program, *arguments],
            cwd=folder,
            env={**inherited, "TERM": "xterm-256color", **(env or {})},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)

    @property
    def plain(self) -> str:
        """The text shown so far, without styles."""
        return _STYLE.sub("", self.text).replace("\r\n", "\n")

    def wait_for(self, text: str, *, after: int = 0) -> None:
        """Read until the text has been shown, after the first `after` characters of `plain`."""
        self._read(lambda: text in self.plain[after:])
        assert text in self.plain[after:], self.plain

    def type(self, keys: str) -> None:
        """Press keys; `\\x03` is Ctrl-C."""
        os.write(self._master, keys.encode())

    def wait(self) -> int:
        """Read to the end and return the exit status."""
        self._read(lambda: False)
        return self.process.wait(PATIENCE)

    def hang_up(self) -> None:
        """Close the terminal."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def _read(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done() and (left := deadline - time.monotonic()) > 0:
            if not select.select([self._master], [], [], left)[0]:
                continue
            try:
                data = os.read(self._master, 65536)
            except OSError:  # EIO: the last program has left the terminal
                return
            if not data:
                return
            self.text += data.decode(errors="replace")


@contextmanager
def terminal(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, program: str | Path = PYWATT
) -> Iterator[Terminal]:
    """Run a command, or another program, in a terminal; it is killed at the end if it still runs."""
    running = Terminal(folder, *arguments, env=env, program=program)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
        running.hang_up()
