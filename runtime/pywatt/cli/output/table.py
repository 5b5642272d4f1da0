"""Formats tables and quantities for a terminal; plain when piped."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from pywatt.logs.escapes import for_terminal

_GAP = "  "
_INDENT = "    "
"""Indent of the rest of a row that is too long for the terminal."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MEGABYTE = 1024 * 1024

json_option: Callable[[Any], Any] = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

STATE_COLOURS = {
    "ready": "green",
    "finished": "green",
    "starting": "yellow",
    "restarting": "yellow",
    "degraded": "yellow",
    "not-ready": "yellow",
    "stopped": "yellow",
    "crash-loop": "red",
    "failed": "red",
}


def coloured() -> bool:
    """Return whether standard output shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def print_json(document: object) -> None:
    """Print a document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Mapping[str, str] | None = None
) -> None:
    """Print rows in columns of sufficient width; `colours` are those of cells with these texts, on a terminal."""
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    for line in layout(headers, rows, (colours or {}) if coloured() else None, columns):
        click.echo(line)


def layout(
    headers: Sequence[str],
    rows: Sequence[Sequence[str]],
    colours: Mapping[str, str] | None,
    columns: int | None = None,
) -> list[str]:
    """Return the lines of a table (pure). A row wider than `columns` continues on the next line."""
    rows = [[for_terminal(cell, colour=False) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    parts = _folded(widths, columns)
    lines = []
    for number, row in enumerate((headers, *rows)):
        for part in parts:
            indent = _INDENT if part.start else ""
            lines.append(indent + _line(row[part], widths[part], colours, is_header=number == 0))
    return lines


def _folded(widths: Sequence[int], columns: int | None) -> list[slice]:
    """Return the columns on each line of a row."""
    parts, begin, used = [], 0, 0
    for number, width in enumerate(widths):
        more = used + len(_GAP) + width if number > begin else width
        if columns is not None and more > columns and number > begin:
            parts.append(slice(begin, number))
            begin, more = number, len(_INDENT) + width
        used = more
    return [*parts, slice(begin, len(widths))]


def _line(cells: Sequence[str], widths: Sequence[int], colours: Mapping[str, str] | None, *, is_header: bool) -> str:
    shown = []
    for cell, width in zip(cells, widths, strict=True):
        padded = cell.ljust(width)
        if colours is not None and is_header:
            padded = click.style(padded, bold=True)
        elif colours is not None and cell in colours:
            padded = click.style(padded, fg=colours[cell])
        shown.append(padded)
    return _GAP.join(shown).rstrip()


def counted(count: int, thing: str) -> str:
    """Return a number with its noun: `1 service`, `2 services` (pure)."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def duration(seconds: float) -> str:
    """Return a time span in its two largest units: `1d 2h`, `3m 4s`, `5s` (pure)."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def megabytes(size: int) -> str:
    """Return a number of bytes in MB (pure)."""
    return f"{size / _MEGABYTE:.0f} MB"
