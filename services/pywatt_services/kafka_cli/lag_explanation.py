"""`pywatt kafka why`: the record, key and target that hold each partition of a running app."""

from __future__ import annotations

import json
from typing import Any

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_services
from pywatt.cli.inspection.inject import send_request
from pywatt.cli.output.table import counted, json_option, print_json, print_table
from pywatt.mesh.table import MESH_SUFFIX
from pywatt_services.kafka_cli.errors import KafkaCommandError

TYPE = "kafka-hooks"
"""The type of the services that explain their lag."""
PATH = "/why"
TIMEOUT = 30.0  # seconds


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] [SERVICE]", nargs=-1, shell_complete=name_completion.services)
@click.option("--service", metavar="SERVICE", help="The same as the word SERVICE.")
@json_option
def why(words: tuple[str, ...], service: str | None, as_json: bool) -> None:
    """Show what holds the partitions that SERVICE of a running app reads (default: its only kafka-hooks service)."""
    document = _explanation(_service_row((*words[:1], service) if service is not None else words))
    if as_json:
        print_json(document)
        return
    rows = [
        (
            f"{partition['topic']}[{partition['partition']}]",
            _or_dash(partition["committed"]),
            str(holder["offset"]),
            _or_dash(holder["key"]),
            f"{holder['age']:.1f}s",
            str(holder["attempts"]),
            str(holder["behind"]),
            str(holder["target"]),
            f"{holder['state']}{': ' + holder['error'] if holder['error'] else ''}",
        )
        for partition in document["partitions"]
        for holder in partition["heldBy"]
    ]
    rows += [
        (
            f"{partition['topic']}[{partition['partition']}]",
            _or_dash(partition["committed"]),
            str(transaction["begin"]),
            *("-",) * 3,
            str(transaction["end"] - transaction["begin"]),
            "-",
            "an open transaction of its producer: nothing behind is read until it ends",
        )
        for partition in document["partitions"]
        if (transaction := partition.get("openTransaction")) is not None
    ]
    free = [each for each in document["partitions"] if not each["heldBy"] and each.get("openTransaction") is None]
    if rows:
        print_table(("PARTITION", "COMMITTED", "HELD AT", "KEY", "AGE", "ATTEMPTS", "BEHIND", "TARGET", "STATE"), rows)
    total = len(document["partitions"])
    verb = "is" if total == 1 else "are"
    click.echo(f"{len(free)} of {counted(total, 'partition')} {verb} held by nothing.")


def _service_row(words: tuple[str, ...]) -> dict[str, Any]:
    """Return the status of the service to ask. Raises ControlError and KafkaCommandError."""
    selection = find_services(words, guess=True)
    rows = list(selection.rows) if selection.named else [row for row in selection.rows if row["type"] == TYPE]
    if not rows:
        raise KafkaCommandError(f"the app has no service of the type {TYPE}, which is what can be asked")
    if len(rows) > 1:
        ids = " or ".join(row["id"] for row in rows)
        raise KafkaCommandError(f"the app has several {TYPE} services: say which one", hint=f"--service {ids}")
    return rows[0]


def _explanation(row: dict[str, Any]) -> dict[str, Any]:
    """Ask a service why its partitions are held. Raises ControlError and KafkaCommandError."""
    if row["url"] is None:
        raise KafkaCommandError(f'the service "{row["id"]}" does not answer HTTP')
    _, body = send_request(row, "GET", PATH, [("host", row["id"] + MESH_SUFFIX)], None, TIMEOUT)
    try:
        document: dict[str, Any] = json.loads(body)
        document["partitions"]
    except (ValueError, KeyError, TypeError) as error:
        shown = body[:200].decode("utf-8", "replace")
        raise KafkaCommandError(f"the service {row['id']} cannot tell: {shown!r}") from error
    return document


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)
