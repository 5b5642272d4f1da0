"""`pywatt config`: the configuration that a running app has, with its defaults."""

from __future__ import annotations

import click

from pywatt.cli import candidates
from pywatt.cli.env import secrets_option
from pywatt.cli.table import json_option, print_json
from pywatt.cli.target import ID_HELP, find_app


@click.command(epilog=ID_HELP)
@click.argument("wanted", metavar="[ID]", required=False, shell_complete=candidates.apps)
@secrets_option
@json_option
def config(wanted: str | None, secrets: bool, as_json: bool) -> None:  # noqa: ARG001 - JSON is its only form
    """Show the configuration of a running app, as pywatt has understood it (JSON; durations in seconds)."""
    print_json(find_app(wanted, guess=True).get("config", secrets=str(secrets).lower()))
