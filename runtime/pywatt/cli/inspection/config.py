"""`pywatt config`: the configuration that a running app has, with its defaults."""

from __future__ import annotations

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_app
from pywatt.cli.inspection.env import secrets_option
from pywatt.cli.output.table import json_option, print_json


@click.command(epilog=ID_HELP)
@click.argument("wanted", metavar="[ID]", required=False, shell_complete=name_completion.apps)
@secrets_option
@json_option
def config(wanted: str | None, secrets: bool, as_json: bool) -> None:  # noqa: ARG001 - JSON is its only form
    """Show the configuration of a running app, as pywatt has understood it (JSON; durations in seconds)."""
    print_json(find_app(wanted, guess=True).get("config", secrets=str(secrets).lower()))
