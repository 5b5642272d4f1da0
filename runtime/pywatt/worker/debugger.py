"""`breakpoint()` in a worker: pdb gets the terminal that `pywatt dev` runs in, and is passed over where there is none.

A worker has no terminal of its own. Under `pywatt dev` it has a socket to the supervisor, over which it asks for the
terminal by sending one end of a connection; pdb reads and writes at the other end.
"""

from __future__ import annotations

import io
import json
import os
import socket
import sys
import threading
from contextlib import suppress
from types import FrameType, ModuleType
from typing import Any

from pywatt.errors import MissingExtra
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.mesh.import_hook import on_import

RELEASE_SECONDS = 0.5
"""Seconds after which the terminal is given back when a step reaches no further line, as at the end of a request."""
HINT = "only `pywatt dev` in a terminal lends it: run that, or attach an editor with `pywatt dev --debug SERVICE`"

logger = pywatt_logger("pywatt.worker")


def adapt_pdb(terminal: socket.socket | None) -> None:
    """Make the debuggers of this process use the supervisor's terminal; None: there is none."""
    on_import("pdb", lambda module: _adapt(module, terminal))


def listen_for_editor() -> int:
    """Start debugpy for an editor and return its loopback port. Raises MissingExtra."""
    # No warning that breakpoints in modules which are part of the interpreter have no effect.
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    try:
        import debugpy  # noqa: T100
    except ModuleNotFoundError as error:
        raise MissingExtra("debugpy", "debug", needed_by="pywatt dev --debug") from error
    _, port = debugpy.listen(("127.0.0.1", 0))  # noqa: T100
    return int(port)


class TerminalText(io.TextIOBase):
    """The input and output of a debugger; takes the terminal when it is first used."""

    def __init__(self, terminal: socket.socket) -> None:
        self.place = ""
        """The place in the program, for the person at the terminal."""
        self._terminal = terminal
        self._connection: socket.socket | None = None
        self._read = io.StringIO().readline
        self._timer: threading.Timer | None = None

    def write(self, text: str) -> int:
        """Show a text."""
        with suppress(OSError):  # the worker is being stopped
            self._connect().sendall(text.encode(errors="backslashreplace"))
        return len(text)

    def readline(self, _size: int | None = -1, /) -> str:  # type: ignore[override]
        """Wait for a line; a blank at the end."""
        try:
            self._connect()
            return self._read()
        except OSError:
            return ""

    def release_soon(self) -> None:
        """Give the terminal back unless it is used again at once."""
        self._timer = threading.Timer(RELEASE_SECONDS, self.release)
        self._timer.daemon = True
        self._timer.start()

    def release(self) -> None:
        """Give the terminal back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # its reader holds it open
            connection.close()

    def _connect(self) -> socket.socket:
        if self._timer is not None:
            self._timer.cancel()
        if self._connection is None:
            ours, theirs = socket.socketpair()
            with theirs:
                request = json.dumps({"place": self.place, "pid": os.getpid()}).encode()
                socket.send_fds(self._terminal, [request], [theirs.fileno()])
            ours.recv(1)  # comes when the terminal is free
            self._connection, self._read = ours, ours.makefile("r", encoding="utf-8", errors="replace").readline
        return self._connection


def _adapt(module: ModuleType, terminal: socket.socket | None) -> None:
    base: Any = module.Pdb

    class Pdb(base):  # type: ignore[misc]
        """The debugger, at the supervisor's terminal."""

        def __init__(self, *args: Any, **options: Any) -> None:
            # A debugger with a stream of its own knows where its person sits.
            self._is_remote = len(args) > 1 or bool(options.get("stdin") or options.get("stdout"))
            self._text: TerminalText | None = None
            if not self._is_remote and terminal is not None:
                self._text = TerminalText(terminal)
                # Ctrl-C at this terminal stops pywatt, as ever.
                options |= {"stdin": self._text, "stdout": self._text, "nosigint": True}
            super().__init__(*args, **options)

        def set_trace(self, frame: FrameType | None = None, **options: Any) -> None:
            frame = frame or sys._getframe().f_back
            if self._is_passed_over(frame):
                return
            super().set_trace(frame, **options)

        def interaction(self, frame: FrameType | None, *args: Any, **options: Any) -> None:
            if self._text is None:
                if not self._is_passed_over(frame):
                    super().interaction(frame, *args, **options)
                return
            self._text.place = _place(frame)
            super().interaction(frame, *args, **options)
            self._text.release_soon()

        def set_continue(self) -> None:
            super().set_continue()
            if self._text is not None:
                self._text.release()

        def set_quit(self) -> None:
            super().set_quit()
            if self._text is not None:
                self._text.release()

        def _is_passed_over(self, frame: FrameType | None) -> bool:
            if self._text is not None or self._is_remote or sys.stdin.isatty():
                return False
            logger.warning("the breakpoint at %s is passed over, since %s", _place(frame), HINT)
            return True

    Pdb.__qualname__ = base.__qualname__
    Pdb.__module__ = base.__module__
    module.Pdb = Pdb  # type: ignore[attr-defined]


def _place(frame: FrameType | None) -> str:
    return "an exception" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"
