"""What a prompt's code prints goes to the prompt; all other output of the process goes its way."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TextIO

Write = Callable[[str], None]
Show = Callable[[object], None]

_writing: ContextVar[Write | None] = ContextVar("pywatt_prompt_output", default=None)
_showing: ContextVar[Show | None] = ContextVar("pywatt_prompt_display", default=None)
_lock = threading.Lock()
_sessions = 0


class _Stream:
    """A stream that writes to the prompt whose code is running, else to the stream that it stands for."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        write = _writing.get()
        if write is None:
            return self.stream.write(text)
        write(text)
        return len(text)

    def writelines(self, lines: Iterator[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if _writing.get() is None:
            self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _display(value: object) -> None:
    show = _showing.get()
    (show or _plain_display)(value)


_plain_display: Show = sys.displayhook


def direct(write: Write, show: Show) -> None:
    """Have the code of this context print, and show values, by these functions."""
    _writing.set(write)
    _showing.set(show)


@contextmanager
def directed_output() -> Iterator[None]:
    """Make this possible for the process, while a prompt is open."""
    global _sessions, _plain_display  # noqa: PLW0603 - the streams are the process's
    with _lock:
        if not _sessions:
            sys.stdout, sys.stderr = _Stream(sys.stdout), _Stream(sys.stderr)
            _plain_display, sys.displayhook = sys.displayhook, _display
        _sessions += 1
    try:
        yield
    finally:
        with _lock:
            _sessions -= 1
            if not _sessions:
                for name in ("stdout", "stderr"):
                    current = getattr(sys, name)
                    if isinstance(current, _Stream):
                        setattr(sys, name, current.stream)
                if sys.displayhook is _display:
                    sys.displayhook = _plain_display
