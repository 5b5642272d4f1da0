"""The terminal of `pywatt dev`: the status line, and keys that restart services or quit."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from functools import partial

import anyio

from pywatt.dev.key_reader import read_keys
from pywatt.dev.session import DevSession
from pywatt.dev.status_line import open_status_line
from pywatt.supervisor.supervisor import Supervisor
from pywatt.wait_any import wait_any

LOOK_SECONDS = 1.0
"""Seconds between two checks of a background job for the foreground: no signal tells it."""


async def serve_terminal(app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    """Show the status line and obey keys until cancelled; does nothing where there is no terminal.

    The terminal belongs to the shell's foreground job: another one that changes its settings is stopped by SIGTTOU.
    """
    if not has_terminal():
        return
    with anyio.open_signal_receiver(signal.SIGTSTP) as suspensions:
        while True:
            await wait_any(partial(anext, suspensions), partial(_use, app, session, stop))
            # Ctrl-Z: the terminal is given back, and the shell has to see the job stop.
            os.kill(os.getpid(), signal.SIGSTOP)


def has_terminal() -> bool:
    """Return whether a person can type here."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def in_foreground(terminal: int) -> bool:
    """Return whether this process belongs to the foreground job of the terminal."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False  # it was hung up


async def _use(app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    """Show the status line and obey keys, or lend the terminal, while in the foreground, until cancelled."""
    while True:
        while not in_foreground(sys.stdin.fileno()):  # noqa: ASYNC110 - the kernel tells nobody of it
            await anyio.sleep(LOOK_SECONDS)
        await wait_any(partial(_show_and_obey, app, session, stop), session.breakpoints.wanted)
        await session.breakpoints.lend(sys.stdin.fileno(), sys.stdout.fileno())


async def _show_and_obey(app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    """Show the status line and obey keys until cancelled."""
    with open_status_line(sys.stdout.fileno(), partial(session.outdated, app)) as line:
        session.on_change = partial(line.draw, app)
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(line.run, app)
                async with aclosing(read_keys(sys.stdin.fileno())) as keys:
                    async for key in keys:
                        _obey(key, app, session, stop)
        finally:
            session.on_change = lambda: None


def _obey(key: str, app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    services = [service.id for service in app.table().services.values() if not service.internal]
    if key == "q":
        stop()
    elif key == "r":
        for service_id in services:
            session.restart(service_id)
    elif key.isdigit() and 0 < int(key) <= len(services):
        session.restart(services[int(key) - 1])
