"""`pywatt kafka why`: which record, of which key and for which target, holds a partition of a running app."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import click

from pywatt_kafka.terminal import json_option, print_json, print_table

SERVICE = "kafka-hooks"
PATH = "/why"
ASK = "inject"
"""The command of pywatt that asks a service of a running app."""


@click.command()
@click.argument("words", metavar="[ID] [SERVICE]", nargs=-1)
@json_option
@click.pass_context
def why(context: click.Context, words: tuple[str, ...], as_json: bool) -> None:
    """Show what holds the partitions that SERVICE (default: kafka-hooks) of a running app reads.

    ID is an app's pid or name; without it, the app of this folder, or the only one that runs, is meant.
    """
    document = _asked(context, words or (SERVICE,))
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


def _asked(context: click.Context, words: tuple[str, ...]) -> dict[str, Any]:
    root = context.find_root()
    command = root.command.get_command(root, ASK) if isinstance(root.command, click.Group) else None
    if command is None:
        raise click.ClickException("this asks a running app, which is possible only as `pywatt kafka why`")
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(printed):
        command.main([*words, "--path", PATH], prog_name=ASK, standalone_mode=False)
    printed.seek(0)
    text = printed.read()
    try:
        document: dict[str, Any] = json.loads(text)
        document["partitions"]
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"the service {words[-1]} cannot tell: {text[:200]!r}") from error
    return document


def _or_dash(value: object) -> object:
    return "-" if value is None else value
