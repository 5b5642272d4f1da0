"""The last line of the terminal: each service's state, the address, the keys. Log lines scroll above it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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
    """Return the line for this state of the app, for a terminal of this many columns (pure).

    Where the services do not all fit, the address comes first, ready services are only counted, and the keys go.
    `outdated`: services that serve old code because the new one cannot start.
    """
    parts = _services(table, outdated)
    extras = [extra for extra in (url, "r restart all", "q quit") if extra]
    for line in (_joined(parts, extras), _joined(parts, extras[:1] if url else [])):
        if line and _columns(line) < width:
            return _painted(line, colour=colour)
    head = [Part(url)] if url else []
    urgent = [part for part in parts if not part.fine]
    counts = [f"{len(parts) - len(urgent)} ready"] if len(urgent) < len(parts) else []
    for shown in range(len(urgent), -1, -1):
        hidden = [f"+{len(urgent) - shown} more"] if shown < len(urgent) else []
        line = _joined([*head, *urgent[:shown]], [*hidden, *counts])
        if _columns(line) < width:
            return _painted(line, colour=colour)
    return _painted(head, colour=colour) if _columns(head) < width else ""


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the line."""

    text: str
    mark: str = ""
    paint: str = ""
    fine: bool = True
    """True if it may be left out."""


def _services(table: MeshTable, outdated: Collection[str]) -> list[Part]:
    services = [service for service in table.services.values() if not service.internal]
    parts = []
    for number, service in enumerate(services, 1):
        paint, mark = _OUTDATED if service.id in outdated else _MARKS.get(service.state, _OTHERWISE)
        parts.append(Part(f"{number} {service.id} ", mark, paint, fine=paint == _GREEN))
    return parts


def _joined(parts: Sequence[Part], extras: Sequence[str]) -> list[Part]:
    return [*parts, *(Part(f"· {extra}") for extra in extras)]


def _columns(line: Sequence[Part]) -> int:
    return sum(len(part.text) + len(part.mark) + 1 for part in line) - 1


def _painted(line: Sequence[Part], *, colour: bool) -> str:
    return " ".join(
        f"{part.text}{part.paint}{part.mark}{_RESET}" if colour and part.mark else f"{part.text}{part.mark}"
        for part in line
    )


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
                updated = app.mesh.updated
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
