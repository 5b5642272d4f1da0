"""`pywatt services`: the services of a running app, and their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_app
from pywatt.cli.output.table import STATE_COLOURS, duration, json_option, megabytes, print_json, print_table
from pywatt.logs.escapes import for_terminal


@click.command(epilog=ID_HELP)
@click.argument("wanted", metavar="[ID]", required=False, shell_complete=name_completion.apps)
@click.option("-a", "--all", "show_all", is_flag=True, help="Show the services that pywatt starts by itself too.")
@json_option
def services(wanted: str | None, show_all: bool, as_json: bool) -> None:
    """Show the services of a running app."""
    rows = [row for row in find_app(wanted, guess=True).services(usage=True) if show_all or not row["internal"]]
    if as_json:
        print_json(rows)
        return
    headers = ("ID", "TYPE", "STATE", "WORKERS", "PID", "UPTIME", "RESTARTS", "MEMORY", "CPU", "URL")
    print_table(headers, [_cells(row) for row in rows], STATE_COLOURS)
    for row in rows:
        if row["detail"]:
            click.echo(f"{row['id']}: {for_terminal(row['detail'], colour=False)}")


def _cells(row: dict[str, Any]) -> Sequence[str]:
    workers = [worker for worker in row["workers"] if worker["pid"] is not None]
    uptimes = [worker["uptime"] for worker in workers if worker["state"] == "ready"]
    memory = [worker["memory"]["pss"] for worker in workers if worker["memory"]]
    cpu = [worker["cpu"] for worker in workers if worker["cpu"] is not None]
    return (
        f"{row['id']} *" if row["entrypoint"] else row["id"],
        row["type"],
        row["state"],
        f"{row['ready']}/{len(row['workers'])}",
        ",".join(str(worker["pid"]) for worker in workers) or "-",
        duration(min(uptimes)) if uptimes else "-",
        str(row["restarts"]),
        megabytes(sum(memory)) if memory else "-",
        f"{sum(cpu):.0%}" if cpu else "-",
        row["url"] or "-",
    )
