"""What `pywatt dev` adds on a terminal: the status line, and keys that restart services or quit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import anyio

from pywatt.dev.keys import read_keys
from pywatt.dev.session import DevSession
from pywatt.dev.status_line import open_status_line
from pywatt.supervisor.supervisor import Supervisor


async def serve_terminal(app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    """Show the status line and obey keys until cancelled; does nothing where there is no terminal."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return
    with open_status_line(sys.stdout.fileno(), partial(session.outdated, app)) as line:
        session.on_change = partial(line.draw, app)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(line.run, app)
            async with aclosing(read_keys(sys.stdin.fileno())) as keys:
                async for key in keys:
                    _obey(key, app, session, stop)


def _obey(key: str, app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    services = [service.id for service in app.table().services.values() if not service.internal]
    if key == "q":
        stop()
    elif key == "r":
        for service_id in services:
            session.restart(service_id)
    elif key.isdigit() and 0 < int(key) <= len(services):
        session.restart(services[int(key) - 1])
