"""`pywatt restart`: new workers for services of a running app, without a gap."""

from __future__ import annotations

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ACTING_ID_HELP, find_services
from pywatt.cli.lifecycle.service_results import print_results
from pywatt.cli.output.table import json_option


@click.command(epilog=ACTING_ID_HELP)
@click.argument("words", metavar="[ID] [SERVICE]...", nargs=-1, shell_complete=name_completion.services)
@json_option
def restart(words: tuple[str, ...], as_json: bool) -> int:
    """Replace the workers of all services, or of those named: the old ones serve until the new ones are ready."""
    selection = find_services(words, guess=False)
    ids = [row["id"] for row in selection.rows] if selection.named else []
    result = selection.client.post("restart", services=ids)
    return print_results(result, result["restarted"], "Restarted", as_json=as_json)
