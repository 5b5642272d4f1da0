"""The terminal as a screen of its own: lines that are drawn over, and keys that are read at once."""

from __future__ import annotations

import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from types import FrameType, TracebackType
from typing import Self

_OTHER_SCREEN, _FIRST_SCREEN = "\x1b[?1049h", "\x1b[?1049l"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_CUT_LINES, _WRAP_LINES = "\x1b[?7l", "\x1b[?7h"
_HOME, _CLEAR_REST_OF_LINE, _CLEAR_BELOW = "\x1b[H", "\x1b[K", "\x1b[J"


def has_screen() -> bool:
    """Return whether a person reads and types here."""
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


class Screen:
    """Takes the terminal over; used as `with Screen() as screen`. Ctrl-Z gives it back for as long."""

    def __init__(self) -> None:
        self._terminal = sys.stdin.fileno()
        self._settings = termios.tcgetattr(self._terminal)
        self._woken, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(self._woken, False)

    def __enter__(self) -> Self:
        self._handlers = {number: signal.getsignal(number) for number in (signal.SIGWINCH, signal.SIGTSTP)}
        signal.signal(signal.SIGWINCH, lambda *_: self.wake())
        signal.signal(signal.SIGTSTP, self._suspend)
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._give_back()

    def wake(self) -> None:
        """Let `wait` return; may be called by any thread."""
        try:
            os.write(self._wake, b".")
        except BlockingIOError:
            return  # it will return anyway

    def wait(self) -> str:
        """Return the keys that were typed; empty: it was woken."""
        ready, _, _ = select.select([self._terminal, self._woken], [], [])
        if self._woken in ready:
            os.read(self._woken, 4096)
        return os.read(self._terminal, 64).decode(errors="ignore") if self._terminal in ready else ""

    def draw(self, lines: Sequence[str], last: str) -> None:
        """Show lines from the top and one at the bottom; what does not fit is cut off."""
        rows = shutil.get_terminal_size().lines
        shown = [*lines[: rows - 1], *[""] * (rows - 1 - len(lines)), last]
        text = f"{_CLEAR_REST_OF_LINE}\r\n".join(shown)
        self._write(f"{_HOME}{text}{_CLEAR_REST_OF_LINE}{_CLEAR_BELOW}")

    def _take(self) -> None:
        tty.setcbreak(self._terminal)
        self._write(f"{_OTHER_SCREEN}{_HIDE_CURSOR}{_CUT_LINES}")

    def _give_back(self) -> None:
        self._write(f"{_WRAP_LINES}{_SHOW_CURSOR}{_FIRST_SCREEN}")
        termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._settings)

    def _suspend(self, _signal: int, _frame: FrameType | None) -> None:
        self._give_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._take()
        self.wake()

    def _write(self, text: str) -> None:
        sys.stdout.write(text)
        sys.stdout.flush()
