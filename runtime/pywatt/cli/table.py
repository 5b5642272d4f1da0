"""Tables and quantities for a person at a terminal, plain when piped."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from pywatt.logs.terminal import for_terminal

_GAP = "  "
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
    """Whether standard output shows colours."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def print_json(document: object) -> None:
    """Print a document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def print_table(
    headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Mapping[str, str] | None = None
) -> None:
    """Print rows in columns as wide as they need; `colours`: of the cells with these texts, on a terminal."""
    for line in layout(headers, rows, (colours or {}) if coloured() else None):
        click.echo(line)


def layout(headers: Sequence[str], rows: Sequence[Sequence[str]], colours: Mapping[str, str] | None) -> list[str]:
    """Return the lines of a table (pure)."""
    rows = [[for_terminal(cell, colour=False) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in (headers, *rows)) for column in range(len(headers))]
    lines = []
    for number, row in enumerate((headers, *rows)):
        cells = []
        for cell, width in zip(row, widths, strict=True):
            padded = cell.ljust(width)
            if colours is not None and number == 0:
                padded = click.style(padded, bold=True)
            elif colours is not None and cell in colours:
                padded = click.style(padded, fg=colours[cell])
            cells.append(padded)
        lines.append(_GAP.join(cells).rstrip())
    return lines


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
