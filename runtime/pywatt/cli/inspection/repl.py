"""`pywatt repl`: a Python prompt inside a running worker of a service."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_service
from pywatt.errors import ControlError
from pywatt.profiling.target import chosen

SECONDS = 15.0
"""Within which the worker has to answer."""
FIRST, NEXT = ">>> ", "... "


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] SERVICE", nargs=-1, required=True, shell_complete=name_completion.services)
@click.option("-w", "--worker", "slot", type=int, metavar="N", help="Of the service.  [default: the first ready one]")
def repl(words: tuple[str, ...], slot: int | None) -> None:
    """Open a Python prompt inside a running worker of SERVICE.

    `app` is its application, and `await` works. The worker goes on serving: Ctrl-C interrupts what the prompt has
    begun, and Ctrl-D ends the prompt. In production the root file has to allow it: "repl": true.
    """
    client, row = find_service(words, guess=True)
    worker = chosen(row, slot)
    with listening(client.runtime.folder) as (listener, path):
        client.post("services", row["id"], "repl", timeout=SECONDS, socket=str(path), worker=worker["slot"])
        listener.settimeout(SECONDS)
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            who = f"worker {worker['slot']} of {row['id']}"
            raise ControlError(
                f"{who} did not answer: its event loop hangs", hint="`pywatt stack` shows where"
            ) from None
    connection.settimeout(None)
    with connection, connection.makefile("rb") as answers:
        Prompt(connection, answers, _reader()).run()


@contextmanager
def listening(folder: Path) -> Iterator[tuple[socket.socket, Path]]:
    """Listen in the runtime folder, which only this user can enter."""
    path = folder / f"repl-{os.getpid()}.sock"
    with suppress(FileNotFoundError):
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(1)
        yield listener, path
    finally:
        listener.close()
        path.unlink(missing_ok=True)


class Prompt:
    """Reads statements, has the worker carry them out, and prints their output."""

    def __init__(self, connection: socket.socket, answers: BinaryIO | Any, read: Callable[[str], str]) -> None:
        """`read` returns the next line; raises EOFError at the end of input."""
        self._connection = connection
        self._answers = answers
        self._read = read

    def run(self) -> None:
        """Go on until the end of input. Raises ControlError if the worker ends before."""
        click.echo(self._answer()["hello"], err=True)
        lines: list[str] = []
        while True:
            try:
                lines.append(self._read(NEXT if lines else FIRST))
            except KeyboardInterrupt:
                click.echo("\nKeyboardInterrupt", err=True)
                lines.clear()
                continue
            except EOFError:
                if lines:  # as the end of a block that no blank line ends
                    self._carry_out("\n".join(lines) + "\n\n")
                return
            if self._carry_out("\n".join(lines)) != "more":
                lines.clear()

    def _carry_out(self, source: str) -> str:
        # A handler instead of KeyboardInterrupt, which would break off the reading of an answer anywhere.
        before = signal.signal(signal.SIGINT, lambda *_: self._send({"interrupt": True}))
        try:
            self._send({"run": source})
            while "done" not in (message := self._answer()):
                sys.stdout.write(str(message.get("out", "")))
                sys.stdout.flush()
            return str(message["done"])
        finally:
            signal.signal(signal.SIGINT, before)

    def _answer(self) -> dict[str, Any]:
        try:
            line = self._answers.readline()
            if line:
                found: dict[str, Any] = json.loads(line)
                return found
        except (OSError, ValueError):
            pass
        raise ControlError("the worker has ended", hint="its log tells why: pywatt logs")

    def _send(self, message: object) -> None:
        with suppress(OSError):  # the answer tells that it has ended
            self._connection.sendall(json.dumps(message).encode() + b"\n")


def _reader() -> Callable[[str], str]:
    """Return what reads a line: with a history and editing in a terminal."""
    if not sys.stdin.isatty():
        return lambda _prompt: input()
    with suppress(ImportError):
        import readline  # noqa: F401 - `input` edits lines once it is loaded
    return input
