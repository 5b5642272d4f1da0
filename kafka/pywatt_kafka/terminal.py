"""What the commands of `pywatt kafka` share: which brokers, durations, tables, and errors in words."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar, cast

import click

from pywatt_kafka.connection.addresses import BROKERS_VARIABLE
from pywatt_kafka.durations import parse_duration
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.reach import PREFIX, Cluster, Reach, choose, given_brokers, meant, named, reaches_of
from pywatt_kafka.security.environment import PROTOCOL

ENV_FILE = ".env"
GAP, INDENT = "  ", "    "
"""Between columns, and before the rest of a row that is too long for the terminal."""

Result = TypeVar("Result")
Command = TypeVar("Command", bound=Callable[..., Any])


class CommandFailed(click.ClickException):
    """An error of a command, in the form of pywatt's other commands, which this package cannot import."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def show(self, file: IO[Any] | None = None) -> None:
        """Print what is wrong, and what to do."""
        click.echo(f"error: {self.message}", file=file, err=file is None)
        if self.hint:
            click.echo(f"fix: {self.hint}", file=file, err=file is None)


def duration(text: str) -> float:
    """Read a time such as 90s, 15m, 12h or 7d; return seconds. Raises BadParameter."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def cluster_options(command: Command) -> Command:
    """Give a command the options that say which cluster is meant, and the cluster instead of them, as `cluster`."""

    @functools.wraps(command)
    def run(*words: Any, brokers: str | None, service: str | None, **options: Any) -> Any:
        return command(*words, cluster=chosen_cluster(brokers, service), **options)

    which = click.option(
        "--brokers",
        metavar="HOST:PORT,...",
        help=f"Default: {BROKERS_VARIABLE}, from the environment; what the app of this folder has; "
        f"{BROKERS_VARIABLE} from the file .env of this folder or one above.",
    )
    whose = click.option("--service", metavar="ID", help="The service of the app whose cluster is meant.")
    return cast(Command, which(whose(run)))


def json_option(command: Command) -> Command:
    """Give a command the option that makes it print JSON."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def chosen_cluster(option: str | None, service: str | None = None) -> Cluster:
    """Return the cluster that is meant: by the options, the environment, the app of the folder, a file .env."""
    with in_words():
        brokers = given_brokers(option, os.environ)
        if brokers and os.environ.get(PROTOCOL) and service is None:
            return choose(brokers, os.environ, None)
        reach: Reach | None = None
        dead_letters: frozenset[str] = frozenset()
        try:
            reaches = reaches_of(Path.cwd(), os.environ)
            reach = named(reaches, service) if service is not None else meant(reaches, brokers)
            dead_letters = dead_letters.union(*(each.dead_letters for each in reaches))
        except KafkaError as error:
            if service is not None or not (brokers or BROKERS_VARIABLE in _from_env_file(Path.cwd())):
                raise
            click.echo(f"The app here is not asked: {error.message}; {error.hint}".rstrip("; "), err=True)
        if reach is None:
            own = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
            reach = Reach(variables={**own, **_from_env_file(Path.cwd())})
        cluster = replace(choose(brokers, os.environ, reach), dead_letters=dead_letters)
    if cluster.note:
        click.echo(cluster.note, err=True)
    return cluster


@contextmanager
def in_words() -> Iterator[None]:
    """Let what goes wrong with Kafka become the command's error."""
    try:
        yield
    except KafkaError as error:
        raise CommandFailed(error.message, error.hint) from error


def complete(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work; what goes wrong with Kafka becomes the command's error."""
    with in_words():
        return asyncio.run(work)


def print_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print columns below each other."""
    lines = [[_printable(str(cell)) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    parts = folded(widths, shutil.get_terminal_size().columns if sys.stdout.isatty() else None)
    for line in lines:
        for part in parts:
            cells = zip(line[part], widths[part], strict=True)
            indent = INDENT if part.start else ""
            click.echo(indent + GAP.join(cell.ljust(width) for cell, width in cells).rstrip())


def folded(widths: Sequence[int], columns: int | None) -> list[slice]:
    """Return which columns stand on each line of a row, so that none is longer than a terminal is wide (pure)."""
    parts, begin, used = [], 0, 0
    for number, width in enumerate(widths):
        more = used + len(GAP) + width if number > begin else width
        if columns is not None and more > columns and number > begin:
            parts.append(slice(begin, number))
            begin, more = number, len(INDENT) + width
        used = more
    return [*parts, slice(begin, len(widths))]


def counted(count: int, thing: str) -> str:
    """Return a number with what it counts: `1 letter`, `2 letters` (pure)."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _printable(text: str) -> str:
    """Return the text with a visible form for what a terminal would obey: cells hold what others have published."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


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
