"""`pywatt start --detach`: the app in a session of its own, which goes on when the terminal is closed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from pywatt.errors import StartError

READY_FD = "PYWATT_READY_FD"
"""Environment variable with the descriptor to which the app writes its URL once it is ready."""
_FLAGS = ("-d", "--detach")
_MOST_LINES = 40


def detach(arguments: Sequence[str]) -> None:
    """Start the app and return when it is ready. Raises StartError with its output if it does not become ready."""
    words = [word for word in arguments if word not in _FLAGS]
    reader, writer = os.pipe()
    log = tempfile.TemporaryFile()  # noqa: SIM115 - the app keeps it open; its log is what `pywatt logs` shows
    with log:
        process = subprocess.Popen(
            [sys.executable, "-m", "pywatt", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,
            pass_fds=(writer,),
            env={**os.environ, READY_FD: str(writer)},
        )
        os.close(writer)
        with os.fdopen(reader) as ready:
            line = ready.readline()
        if not line:
            status = process.wait()
            log.seek(0)
            lines = log.read().decode("utf-8", "replace").splitlines()[-_MOST_LINES:]
            raise StartError(_reason(lines, status), hint=_hint(lines))
    url = line.strip()
    click.echo(f"Started (pid {process.pid})" + (f" at {url}." if url else "."))
    click.echo("`pywatt logs -f` shows its log, `pywatt stop` ends it.")
    process.returncode = 0  # it lives on: nobody waits for it here


def tell_ready(url: str | None) -> None:
    """Report the readiness of this app to the command that started it in the background, if one did."""
    number = os.environ.pop(READY_FD, "")
    if number.isdecimal() and Path(f"/proc/self/fd/{number}").exists():
        with os.fdopen(int(number), "w") as waiting:
            waiting.write(f"{url or ''}\n")


def _reason(lines: Sequence[str], status: int) -> str:
    said = [line for line in lines if not line.startswith("fix: ")]
    return "\n".join(said).removeprefix("error: ") or f"the app ended with status {status}"


def _hint(lines: Sequence[str]) -> str:
    hints = [line.removeprefix("fix: ") for line in lines if line.startswith("fix: ")]
    if hints:
        return hints[-1]
    return "" if any("fix: " in line for line in lines) else "see: pywatt logs"
