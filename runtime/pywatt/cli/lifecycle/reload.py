"""`pywatt reload`: apply what has changed in the config files to a running app."""

from __future__ import annotations

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ACTING_ID_HELP, find_app
from pywatt.cli.output.table import json_option, print_json


@click.command(epilog=ACTING_ID_HELP)
@click.argument("wanted", metavar="[ID]", required=False, shell_complete=name_completion.apps)
@json_option
def reload(wanted: str | None, as_json: bool) -> None:
    """Read the config files again and apply the difference in place; on an error nothing changes."""
    result = find_app(wanted, guess=False).post("reload")
    if as_json:
        print_json(result)
        return
    for warning in result["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    changes = [f"{how} {', '.join(result[how])}" for how in ("added", "changed", "removed") if result[how]]
    click.echo(f"Reloaded: {'; '.join(changes) or 'nothing is different'}.")
