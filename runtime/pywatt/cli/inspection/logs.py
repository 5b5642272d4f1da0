"""`pywatt logs`: the app's log, also after it has ended or crashed."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP
from pywatt.cli.inspection.history_lookup import find_history
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.model import LogLevel
from pywatt.errors import NotKnown
from pywatt.logs.history import RingReader
from pywatt.logs.lines import LogRecord
from pywatt.logs.output import JsonLines, open_output
from pywatt.logs.search.record_filter import record_filter
from pywatt.logs.search.since import parse_since

DEFAULT_LINES = 100
_LEVELS = [level.name.lower() for level in LogLevel if level is not LogLevel.SILENT]


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] [SERVICE]...", nargs=-1, shell_complete=name_completion.services)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is logged from now on, until Ctrl-C.")
@click.option("-s", "--since", metavar="WHEN", help="From then on: a span (10m, 2h) or a moment (2026-03-01T12:30).")
@click.option("-l", "--level", type=click.Choice(_LEVELS), default="info", show_default=True, help="And above.")
@click.option(
    "-n", "--lines", metavar="N", help=f"The last N records, or `all`.  [default: {DEFAULT_LINES}, with --since all]"
)
@click.option("-g", "--grep", metavar="REGEX", help="With a match in the message, a traceback or another text.")
@click.option("--trace", metavar="ID", help="Of one trace.")
@click.option(
    "-w", "--where", metavar="KEY=VALUE", multiple=True, help="With that value, as status>=500; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines on a terminal too.")
def logs(
    words: tuple[str, ...],
    follow: bool,
    since: str | None,
    level: str,
    lines: str | None,
    grep: str | None,
    trace: str | None,
    where: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the log of an app that runs, or that has run in this folder or under this name."""
    try:
        start = parse_since(since, datetime.now().astimezone()) if since is not None else 0
        wanted = record_filter(level=LogLevel[level.upper()], since=start, grep=grep, trace=trace, where=where)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    history, services = find_history(words)
    wanted = replace(wanted, services=frozenset(services))
    reader = RingReader(history.folder)
    output = JsonLines(sys.stdout) if as_json else open_output(sys.stdout, dated=True)
    try:
        known: set[str] = set()
        shown: deque[LogRecord] = deque(maxlen=_count(lines, since))
        for record in reader.records():
            known.add(record.name)
            if wanted.takes(record):
                shown.append(record)
        if not follow:  # else it may yet log something
            _check(services, known)
        for record in shown:
            click.echo(output.render(record))
        if follow:
            _follow(reader, history.folder, wanted.takes, output.render)
    except KeyboardInterrupt:
        return
    finally:
        reader.close()


def _follow(
    reader: RingReader, folder: Path, wanted: Callable[[LogRecord], bool], render: Callable[[LogRecord], str]
) -> None:
    from watchfiles import watch

    # What is written between a look and the beginning of the watch shows at the latest with the next time-out.
    for _changes in watch(folder, debounce=50, step=10, rust_timeout=500, yield_on_timeout=True, recursive=False):
        for record in reader.records():
            if wanted(record):
                click.echo(render(record))


def _check(services: Sequence[str], known: set[str]) -> None:
    for service in services:
        if service not in known:
            hint = suggest(service, known, kind="those who have", always_list=True)
            raise NotKnown(f'"{service}" has logged nothing', hint=hint)


def _count(lines: str | None, since: str | None) -> int | None:
    if lines is None:
        return None if since is not None else DEFAULT_LINES
    if lines == "all":
        return None
    if not lines.isdigit():
        raise click.UsageError(f"-n takes a number or `all`, not {lines!r}")
    return int(lines)
