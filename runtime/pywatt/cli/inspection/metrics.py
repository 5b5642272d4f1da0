"""`pywatt metrics`: the metrics of a running app."""

from __future__ import annotations

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_services
from pywatt.cli.output.table import print_json
from pywatt.errors import ControlError

COLLECT_SECONDS = 30.0


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] [SERVICE]", nargs=-1, shell_complete=name_completion.services)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(["json", "text"]),
    default="text",
    help="text: as Prometheus reads them (default); json: for programs.",
)
def metrics(words: tuple[str, ...], form: str) -> None:
    """Show the metrics of an app, or of one SERVICE of it."""
    selection = find_services(words, guess=True)
    ids = [row["id"] for row in selection.rows] if selection.named else []
    if len(ids) > 1:
        raise ControlError("the metrics of one service can be shown, or those of all", hint="name one, or none")
    query = {"service": ids[0]} if ids else {}
    answer = selection.client.get("metrics", timeout=COLLECT_SECONDS, **query)
    if form == "json":
        print_json(answer["metrics"])
        return
    from pywatt.metrics.exposition import write_page
    from pywatt.metrics.page import family_of

    if not answer["counting"]:
        click.echo('# this app counts nothing but its processes: set "metrics": true in watt.json')
    click.echo(write_page(map(family_of, answer["metrics"])), nl=False)
