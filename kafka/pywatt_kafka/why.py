"""`pywatt kafka why`: which record, of which key and for which target, holds a partition of a running app."""

from __future__ import annotations

import json
from typing import Any

import click

from pywatt_kafka.running_app import asked
from pywatt_kafka.terminal import CommandFailed, counted, json_option, print_json, print_table

TYPE = "kafka-hooks"
"""The type of the services that can tell."""
PATH = "/why"
ASK = "inject"
"""The command of pywatt that asks a service of a running app."""


@click.command()
@click.argument("words", metavar="[ID] [SERVICE]", nargs=-1)
@click.option("--service", metavar="SERVICE", help="The same as the word SERVICE.")
@json_option
def why(words: tuple[str, ...], service: str | None, as_json: bool) -> None:
    """Show what holds the partitions that SERVICE of a running app reads (default: its only kafka-hooks service).

    ID is an app's pid or name; without it, the app of this folder, or the only one that runs, is meant.
    """
    document = _document((*words[:1], service) if service is not None else _with_service(words))
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
    rows += [
        (
            f"{partition['topic']}[{partition['partition']}]",
            _or_dash(partition["committed"]),
            open_["begin"],
            *("-",) * 3,
            open_["end"] - open_["begin"],
            "-",
            "an open transaction of its producer: nothing behind is read until it ends",
        )
        for partition in document["partitions"]
        if (open_ := partition.get("openTransaction")) is not None
    ]
    free = [each for each in document["partitions"] if not each["heldBy"] and each.get("openTransaction") is None]
    if rows:
        print_table(("PARTITION", "COMMITTED", "HELD AT", "KEY", "AGE", "ATTEMPTS", "BEHIND", "TARGET", "STATE"), rows)
    all_of_them = len(document["partitions"])
    verb = "is" if all_of_them == 1 else "are"
    click.echo(f"{len(free)} of {counted(all_of_them, 'partition')} {verb} held by nothing.")


def _with_service(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words with the service that is meant, when they name only an app or nothing."""
    if len(words) > 1 or (words and not _names_app(words[0])):
        return words
    services: list[dict[str, Any]] = json.loads(_asked("services", *words, "--json"))
    known = [each["id"] for each in services if each["type"] == TYPE]
    if not known:
        raise CommandFailed(f"the app has no service of the type {TYPE}, which is what can be asked")
    if len(known) > 1:
        raise CommandFailed(f"the app has several {TYPE} services: say which one", f"--service {' or '.join(known)}")
    return (*words, known[0])


def _names_app(word: str) -> bool:
    """Whether a word is the pid or the name of a running app, and not a service of the app that is meant anyway."""
    apps: list[dict[str, Any]] = json.loads(_asked("ps", "--json"))
    if all(word not in (str(app["pid"]), app["name"]) for app in apps):
        return False
    if len(apps) > 1:
        return True
    services: list[dict[str, Any]] = json.loads(_asked("services", "--json"))
    return all(word != each["id"] for each in services)


def _asked(name: str, *arguments: str) -> str:
    text = asked(name, *arguments)
    if text is None:
        raise CommandFailed("this asks a running app, which is possible only as `pywatt kafka why`")
    return text


def _document(words: tuple[str, ...]) -> dict[str, Any]:
    text = _asked(ASK, *words, "--path", PATH)
    try:
        document: dict[str, Any] = json.loads(text)
        document["partitions"]
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"the service {words[-1]} cannot tell: {text[:200]!r}") from error
    return document


def _or_dash(value: object) -> object:
    return "-" if value is None else value
