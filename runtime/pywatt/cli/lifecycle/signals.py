"""Handles the signals of a running app: stop, stop at once, reload the configuration."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import anyio

from pywatt.config.model import LogLevel
from pywatt.errors import PywattError
from pywatt.supervisor.supervisor import Supervisor

_STANDARD = (0, 1, 2)


async def obey_signals(stop: anyio.Event, force: anyio.Event, reload: Callable[[], None]) -> None:
    """Stop the app at the first SIGINT or SIGTERM, kill it at the second, reload it at SIGHUP."""
    terminals = [descriptor for descriptor in _STANDARD if os.isatty(descriptor)]
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        async for number in received:
            # A terminal that was closed sends SIGHUP too, and is no terminal any more; its app ends with it.
            if number is signal.SIGHUP and all(os.isatty(descriptor) for descriptor in terminals):
                reload()
                continue
            if stop.is_set():
                force.set()
            stop.set()


class Reloads:
    """Passes reload requests from the signal handler to the app, once that has started."""

    def __init__(self) -> None:
        self._wanted = anyio.Event()

    def want(self) -> None:
        """Request a reload."""
        self._wanted.set()

    async def serve(self, app: Supervisor) -> None:
        """Reload the app for each request, and log the result."""
        await app.settled.wait()
        while True:
            await self._wanted.wait()
            self._wanted = anyio.Event()
            try:
                change = await app.read_again()
            except PywattError as error:
                app.say(LogLevel.ERROR, f"not reloaded, the app goes on as it was: {_rendered(error)}")
            else:
                changes = {
                    "added": [service.id for service in change.added],
                    "changed": [service.id for service in change.changed],
                    "removed": list(change.removed),
                }
                what = "; ".join(f"{how} {', '.join(ids)}" for how, ids in changes.items() if ids)
                app.say(LogLevel.INFO, f"reloaded: {what or 'nothing is different'}")


def _rendered(error: PywattError) -> str:
    """Return an error as text, also if there is no descriptor left to import the renderer."""
    try:
        from pywatt.cli.output.errors import render
    except (ImportError, OSError):
        return error.message
    return render(error).removeprefix("error: ")
