"""The lines that `pywatt top` shows: the table of services, their order, the last errors (pure)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pywatt.cli.output.table import STATE_COLOURS, layout
from pywatt.cli.top.figures import Figures
from pywatt.logs.escapes import for_terminal

HEADERS = ("SERVICE", "STATE", "READY", "REQ/S", "ERRORS", "P95", "LAG", "MEMORY", "CPU", "RESTARTS")
SHORTEST_ID = 6
"""Columns that are left of an id in a narrow terminal."""
_MILLISECONDS = 1000
_THOUSAND, _MILLION = 1e3, 1e6
_MEGABYTE, _GIGABYTE = 1024**2, 1024**3
_TRACEBACK = "Traceback "
NOT_COUNTED = 'Requests are not counted: set "metrics": true in watt.json.'

ORDERS: Mapping[str, Callable[[Figures], Any]] = {
    name: operator.attrgetter(name)
    for name in ("requests", "errors", "latency", "lag", "memory", "cpu", "restarts", "state", "id")
}
APP_ORDER = "app"
"""The order in which the app names its services."""
CHOICES = (APP_ORDER, *ORDERS)


def in_order(rows: Sequence[Figures], order: str) -> list[Figures]:
    """Return the services by one of CHOICES: texts upwards, numbers downwards, the unknown last."""
    if order == APP_ORDER:
        return list(rows)
    value = ORDERS[order]
    known = [row for row in rows if value(row) is not None]
    known.sort(key=value, reverse=order not in ("id", "state"))
    return [*known, *(row for row in rows if value(row) is None)]


def table_lines(rows: Sequence[Figures], *, colour: bool, columns: int | None = None) -> list[str]:
    """Return the table; ids are shortened where it would be wider than `columns`."""
    cells = [list(cells_of(row)) for row in rows]
    colours = STATE_COLOURS if colour else None
    lines = layout(HEADERS, cells, None)
    surplus = max(map(len, lines)) - columns if columns is not None else 0
    if surplus > 0:
        longest = max(SHORTEST_ID, max(len(cell[0]) for cell in cells) - surplus)
        for cell in cells:
            cell[0] = cell[0] if len(cell[0]) <= longest else f"{cell[0][: longest - 1]}…"
        return layout((HEADERS[0][:longest], *HEADERS[1:]), cells, colours)
    return layout(HEADERS, cells, colours)


def cells_of(row: Figures) -> Sequence[str]:
    """Return the cells of a service, each of at most six columns from READY on."""
    return (
        f"{row.id} *" if row.entrypoint else row.id,
        row.state,
        f"{row.ready}/{row.workers}",
        _shown(row.requests, number),
        _shown(row.errors, percent),
        _shown(row.latency, seconds),
        _shown(row.lag, number),
        _shown(row.memory, memory),
        _shown(row.cpu, percent),
        str(row.restarts),
    )


def _shown(value: float | None, form: Callable[[float], str]) -> str:
    return "-" if value is None else form(value)


def number(value: float) -> str:
    """Return a number with three digits or a little more: `0.4`, `12`, `3.4k`, `1.2M`."""
    for size, unit in ((_MILLION, "M"), (_THOUSAND, "k")):
        if value >= 10 * _THOUSAND and value >= size:
            return f"{value / size:.1f}{unit}" if value < 100 * size else f"{value / size:.0f}{unit}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def percent(value: float) -> str:
    """Return a share: `3%`, and `0.4%` below one."""
    return f"{value:.1%}" if 0 < value < 0.01 else f"{value:.0%}"


def seconds(value: float) -> str:
    """Return a duration: `0.8ms`, `12ms`, `1.2s`."""
    if value >= 1:
        return f"{value:.1f}s"
    return f"{value * _MILLISECONDS:.0f}ms" if value >= 0.01 else f"{value * _MILLISECONDS:.1f}ms"


def memory(size: float) -> str:
    """Return bytes: `25 MB`, `1.2 GB`."""
    return f"{size / _MEGABYTE:.0f} MB" if size < 999.5 * _MEGABYTE else f"{size / _GIGABYTE:.1f} GB"


def detail_lines(rows: Sequence[Figures]) -> list[str]:
    """Return the reasons for bad states."""
    return [for_terminal(f"{row.id}: {row.detail}", colour=False) for row in rows if row.detail]


def error_line(record: Mapping[str, Any]) -> str:
    """Return a record of the log in one line: its time, its service, its message; of a traceback the exception."""
    lines = str(record.get("msg", "")).strip().splitlines() or [""]
    text = lines[-1] if lines[0].startswith(_TRACEBACK) else lines[0]
    moment = datetime.fromtimestamp(record.get("time", 0) / _MILLISECONDS).astimezone().strftime("%H:%M:%S")
    return for_terminal(f"{moment} {record.get('name', '')}: {text}", colour=False)
