"""`pywatt env`: the environment that a service of a running app gets."""

from __future__ import annotations

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_service
from pywatt.cli.output.table import json_option, print_json

secrets_option = click.option("--secrets", is_flag=True, help="Show passwords, keys and tokens too.")


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] SERVICE", nargs=-1, required=True, shell_complete=name_completion.services)
@secrets_option
@json_option
def env(words: tuple[str, ...], secrets: bool, as_json: bool) -> None:
    """Show the variables that the workers of SERVICE are started with."""
    client, row = find_service(words, guess=True)
    variables = client.get("services", row["id"], "env", secrets=str(secrets).lower())["env"]
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        click.echo(f"{name}={value}")
