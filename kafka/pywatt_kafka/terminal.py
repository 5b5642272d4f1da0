"""What the commands of `pywatt kafka` share: which brokers, durations, tables, and errors in words."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from pywatt_kafka.addresses import BROKERS_VARIABLE, EMBEDDED
from pywatt_kafka.durations import parse_duration
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.running_app import PREFIX, kafka_variables

ENV_FILE = ".env"

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])


def duration(text: str) -> float:
    """Read a time such as 90s, 15m, 12h or 7d; return seconds. Raises BadParameter."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def brokers_option(command: Command) -> Command:
    """Give a command the option that says which cluster is meant."""
    return click.option(
        "--brokers",
        metavar="HOST:PORT,...",
        help=f"Default: {BROKERS_VARIABLE}, from the environment, from the app that runs in this folder, or from the "
        "file .env of this folder or one above.",
    )(command)


def json_option(command: Command) -> Command:
    """Give a command the option that makes it print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def chosen_brokers(given: str | None) -> str | None:
    """Return the brokers that are meant; None leaves it to the variable in the environment.

    The variables by which a running app, or else the file .env, says how to reach Kafka get into the environment: they
    may tell too how to log in.
    """
    if given or os.environ.get(BROKERS_VARIABLE, EMBEDDED) != EMBEDDED:
        return given
    variables = kafka_variables(Path.cwd()) or _from_env_file(Path.cwd())
    os.environ.update({name: value for name, value in variables.items() if name not in os.environ})
    return variables.get(BROKERS_VARIABLE)


def complete(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work; what goes wrong with Kafka becomes the command's error."""
    try:
        return asyncio.run(work)
    except KafkaError as error:
        raise click.ClickException(f"{error.message}\n{error.hint}".rstrip()) from error


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns below each other."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_json(document: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def _from_env_file(folder: Path) -> dict[str, str]:
    path = next((each / ENV_FILE for each in (folder, *folder.parents) if (each / ENV_FILE).is_file()), None)
    found: dict[str, str] = {}
    for line in path.read_text("utf-8", "replace").splitlines() if path is not None else ():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and name.strip().startswith(PREFIX):
            found[name.strip()] = value.strip().strip("'\"")
    return found
