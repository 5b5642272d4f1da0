"""`pywatt ps`: the apps that run on this machine."""

from __future__ import annotations

import time

import click

from pywatt.cli.table import duration, json_option, print_json, print_table
from pywatt.control.find import running


@click.command()
@json_option
def ps(as_json: bool) -> None:
    """Show the apps that run for this user."""
    now = time.time_ns() // 1_000_000
    rows = [(runtime, max(0, now - runtime.started) / 1000) for runtime in running()]
    if as_json:
        print_json([{**runtime.to_json(), "uptime": round(uptime, 3)} for runtime, uptime in rows])
    elif rows:
        print_table(
            ("PID", "NAME", "VERSION", "UPTIME", "URL", "FOLDER"),
            [
                (
                    str(runtime.pid),
                    runtime.name,
                    runtime.version,
                    duration(uptime),
                    runtime.url or "-",
                    str(runtime.root),
                )
                for runtime, uptime in rows
            ],
        )
    else:
        click.echo("No app runs.")
