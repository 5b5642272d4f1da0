"""`pywatt ps`: the running apps of this user, and their states."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import click

from pywatt.cli.output.table import STATE_COLOURS, duration, json_option, print_json, print_table
from pywatt.control.client import ControlClient
from pywatt.control.discovery import running
from pywatt.control.metadata import Runtime
from pywatt.errors import ControlError
from pywatt.logs.escapes import for_terminal
from pywatt.mesh.table import ServiceState

ANSWER_SECONDS = 2.0
"""Timeout for the answer of one app in seconds."""
ASKED_AT_ONCE = 16
STARTING, SILENT = "starting", "no answer"
_WORST_FIRST = (
    ServiceState.CRASH_LOOP,
    ServiceState.FAILED,
    ServiceState.STOPPED,
    ServiceState.NOT_READY,
    ServiceState.RESTARTING,
    ServiceState.STARTING,
    ServiceState.DEGRADED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppStatus:
    """The state of an app and its services."""

    state: str
    """The worst state among its services."""
    services: Mapping[str, str]
    """State of each service."""
    details: Sequence[str] = ()
    """Reasons for bad states."""


@click.command()
@json_option
def ps(as_json: bool) -> None:
    """Show the apps that run for this user, and the worst state of their services."""
    now = time.time_ns() // 1_000_000
    runtimes = running()
    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        rows = list(zip(runtimes, pool.map(_ask, runtimes), strict=True))
    uptimes = {runtime.pid: max(0, now - runtime.started) / 1000 for runtime in runtimes}
    if as_json:
        print_json(
            [
                {
                    **runtime.to_json(),
                    "uptime": round(uptimes[runtime.pid], 3),
                    "state": status.state,
                    "services": status.services,
                }
                for runtime, status in rows
            ]
        )
        return
    if not rows:
        click.echo("No app runs.")
        return
    cells = [
        (
            str(runtime.pid),
            runtime.name,
            status.state,
            runtime.version,
            duration(uptimes[runtime.pid]),
            runtime.url or "-",
            str(runtime.root),
        )
        for runtime, status in rows
    ]
    colours = {**STATE_COLOURS, SILENT: "red"}
    print_table(("PID", "NAME", "STATE", "VERSION", "UPTIME", "URL", "FOLDER"), cells, colours)
    for runtime, status in rows:
        for detail in status.details:
            click.echo(f"{runtime.name} (pid {runtime.pid}): {for_terminal(detail, colour=False)}")


def _ask(runtime: Runtime) -> AppStatus:
    if not runtime.ready:
        return AppStatus(state=STARTING, services={})
    try:
        rows = ControlClient(runtime).services(timeout=ANSWER_SECONDS)
    except ControlError:
        return AppStatus(state=SILENT, services={})
    return app_status([row for row in rows if not row["internal"]])


def app_status(rows: Sequence[Mapping[str, Any]]) -> AppStatus:
    """Return the state of an app with these services (pure)."""
    states = {row["id"]: row["state"] for row in rows}
    worst = next((state.value for state in _WORST_FIRST if state in states.values()), ServiceState.READY.value)
    details = [f"{row['id']} is in the state {row['state']}: {row['detail']}" for row in rows if row["detail"]]
    return AppStatus(state=worst, services=states, details=details)
