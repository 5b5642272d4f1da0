"""`pywatt kafka why`: which record, of which key and for which target, holds a partition of a running app."""

from __future__ import annotations

import json
from typing import Any

import click

from pywatt_kafka.running_app import asked
from pywatt_kafka.terminal import json_option, print_json, print_table

SERVICE = "kafka-hooks"
PATH = "/why"
ASK = "inject"
"""The command of pywatt that asks a service of a running app."""


@click.command()
@click.argument("words", metavar="[ID] [SERVICE]", nargs=-1)
@json_option
def why(words: tuple[str, ...], as_json: bool) -> None:
    """Show what holds the partitions that SERVICE (default: kafka-hooks) of a running app reads.

    ID is an app's pid or name; without it, the app of this folder, or the only one that runs, is meant.
    """
    document = _document(words or (SERVICE,))
    if as_json:
        print_json(document)
        return
    rows = [
        (
            f"{partition['topic']}[{partition['partition']}]",
            _or_dash(partition["committed"]),
            holder["offset"],
            _or_dash(holder["key"]),
            f"{holder['age']:.1f}s",
            holder["attempts"],
            holder["behind"],
            holder["target"],
            f"{holder['state']}{': ' + holder['error'] if holder['error'] else ''}",
        )
        for partition in document["partitions"]
        for holder in partition["heldBy"]
    ]
    free = [partition for partition in document["partitions"] if not partition["heldBy"]]
    if rows:
        print_table(("PARTITION", "COMMITTED", "HELD AT", "KEY", "AGE", "ATTEMPTS", "BEHIND", "TARGET", "STATE"), rows)
    click.echo(f"{len(free)} of {len(document['partitions'])} partitions are held by nothing.")


def _document(words: tuple[str, ...]) -> dict[str, Any]:
    text = asked(ASK, *words, "--path", PATH)
    if text is None:
        raise click.ClickException("this asks a running app, which is possible only as `pywatt kafka why`")
    try:
        document: dict[str, Any] = json.loads(text)
        document["partitions"]
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"the service {words[-1]} cannot tell: {text[:200]!r}") from error
    return document


def _or_dash(value: object) -> object:
    return "-" if value is None else value
