"""The last line of the terminal: each service's state, the address, the keys. Log lines scroll above it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

import anyio

from pywatt.mesh.table import MeshTable, ServiceState
from pywatt.supervisor.supervisor import Supervisor

_SAVE, _RESTORE, _CLEAR_LINE = "\x1b7", "\x1b8", "\x1b[2K"
_RESET = "\x1b[0m"
_GREEN, _YELLOW, _RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"
_MARKS = {
    ServiceState.READY: (_GREEN, "●"),
    ServiceState.FINISHED: (_GREEN, "✓"),
    ServiceState.FAILED: (_RED, "✗"),
    ServiceState.CRASH_LOOP: (_RED, "✗"),
    ServiceState.STOPPED: ("", "○"),
}
_OTHERWISE = (_YELLOW, "◐")
_OUTDATED = (_RED, "✗ old code")


def status_text(table: MeshTable, url: str | None, width: int, *, colour: bool, outdated: Collection[str] = ()) -> str:
    """Return the line for this state of the app, cut to the terminal's width (pure).

    `outdated`: services that serve old code because the new one cannot start.
    """
    parts: list[str] = []
    left = width - 1
    number = 0
    for service in table.services.values():
        if service.internal:
            continue
        number += 1
        label = f"{number} {service.id}"
        paint, mark = _OUTDATED if service.id in outdated else _MARKS.get(service.state, _OTHERWISE)
        left -= len(label) + len(mark) + 2
        if left < 0:
            break
        parts.append(f"{label} {paint}{mark}{_RESET}" if colour else f"{label} {mark}")
    for extra in (url or "", "r restart all", "q quit"):
        if extra and left > len(extra) + 2:
            parts.append(f"· {extra}")
            left -= len(extra) + 3
    return " ".join(parts)


class StatusLine:
    """Keeps the line up to date. Used as `with open_status_line(...) as line: await line.run(app)`."""

    def __init__(self, terminal: int, *, colour: bool, outdated: Callable[[], Collection[str]]) -> None:
        """`outdated` tells the services that serve old code because the new one cannot start."""
        self._terminal = terminal
        self._colour = colour
        self._outdated = outdated
        self._height = 0
        self._drawn = ""

    async def run(self, app: Supervisor) -> None:
        """Draw at every change of the app and of the terminal's size, until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._follow_size, app)
            while True:
                updated = app.updated
                self.draw(app)
                await updated.wait()

    def draw(self, app: Supervisor) -> None:
        """Draw the line if it is another one than before, keeping the cursor where the log is."""
        size = os.get_terminal_size(self._terminal)
        begin = "" if size.lines == self._height else self._reserve(size.lines)
        text = status_text(app.table(), app.url, size.columns, colour=self._colour, outdated=self._outdated())
        if text == self._drawn and not begin:
            return
        self._drawn = text
        self._write(f"{begin}{_SAVE}\x1b[{size.lines};1H{_CLEAR_LINE}{text}{_RESTORE}")

    def clear(self) -> None:
        """Give the line back to the log."""
        if self._height:
            self._write(f"{_SAVE}\x1b[{self._height};1H{_CLEAR_LINE}\x1b[r{_RESTORE}")

    def _reserve(self, height: int) -> str:
        """Let only the lines above the last one scroll; a line break first, so that the log is not drawn over."""
        self._height = height
        return f"\n{_SAVE}\x1b[1;{height - 1}r{_RESTORE}\x1b[1A"

    async def _follow_size(self, app: Supervisor) -> None:
        with anyio.open_signal_receiver(signal.SIGWINCH) as changes:
            async for _ in changes:
                self._drawn = ""
                self.draw(app)

    def _write(self, text: str) -> None:
        # One call: the log's writer, in its own thread, cannot come between.
        os.write(self._terminal, text.encode())


@contextmanager
def open_status_line(terminal: int, outdated: Callable[[], Collection[str]]) -> Iterator[StatusLine]:
    """Reserve the terminal's last line, and give it back at the end; `outdated` as for StatusLine."""
    line = StatusLine(terminal, colour="NO_COLOR" not in os.environ, outdated=outdated)
    try:
        yield line
    finally:
        line.clear()
