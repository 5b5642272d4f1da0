"""`pywatt stack`: what the workers of a service are doing right now."""

from __future__ import annotations

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_service
from pywatt.cli.output.table import json_option, print_json
from pywatt.errors import EXIT_FAILURE
from pywatt.logs.escapes import for_terminal


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] SERVICE", nargs=-1, required=True, shell_complete=name_completion.services)
@json_option
def stack(words: tuple[str, ...], as_json: bool) -> int:
    """Show the stack of each thread of each worker of SERVICE, even when its event loop hangs."""
    client, row = find_service(words, guess=True)
    workers = client.post("services", row["id"], "stack", timeout=None)["workers"]
    if as_json:
        print_json(workers)
    for worker in () if as_json else workers:
        click.echo(f"{row['id']} worker {worker['slot']} (pid {worker['pid']})")
        for line in worker["lines"]:
            click.echo(f"  {for_terminal(line, colour=False)}")
        if "error" in worker:
            click.echo(f"error: {worker['error']}", err=True)
    return EXIT_FAILURE if any("error" in worker for worker in workers) else 0
