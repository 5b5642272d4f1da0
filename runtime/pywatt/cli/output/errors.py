"""Renders an error for a terminal: the problem, its place and its fix, on one screen."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import click

from pywatt.cli.output.tracebacks import shorten_tracebacks
from pywatt.errors import ConfigError, Problem, PywattError, ServiceFailed
from pywatt.logs.escapes import for_terminal
from pywatt.redaction import hide_in_text

MOST_PROBLEMS = 8
MOST_OUTPUT_LINES = 20
"""Limits that keep the report on one screen."""

Paint: TypeAlias = Callable[[str, str], str]
"""Styles a text with the numbers of an ANSI style."""

_RED = "31;1"
_BOLD = "1"
_DIM = "2"
_GREEN = "32"


def show_error(error: PywattError) -> None:
    """Print an error on standard error, coloured on a terminal."""
    colour = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    click.echo(render(error, colour=colour), err=True, color=colour)


def render(error: PywattError, *, colour: bool = False, cwd: Path | None = None) -> str:
    """Return an error as text without a final newline; file names are relative to `cwd`."""
    paint = _paint if colour else _plain
    folder = _here() if cwd is None else cwd
    if isinstance(error, ConfigError):
        lines = list(_config(error.problems, folder, paint))
    else:
        lines = [f"{paint('error:', _RED)} {for_terminal(hide_in_text(_title(error)), colour=False)}"]
        if isinstance(error, ServiceFailed):
            lines.extend(_output(error, paint))
        if error.hint:
            lines.append(f"{paint('fix:', _GREEN)} {hide_in_text(error.hint)}")
    return "\n".join(lines)


def _here() -> Path:
    """Return the working directory; if it was deleted, an empty path, so that file names are shown in full."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def _title(error: PywattError) -> str:
    return f"{error.service}: {error.message}" if isinstance(error, ServiceFailed) else error.message


def _output(error: ServiceFailed, paint: Paint) -> Iterator[str]:
    """Yield the last lines that the service wrote."""
    output = shorten_tracebacks(error.output)
    shown = output[-MOST_OUTPUT_LINES:]
    if shown:
        more = f" (its last {len(shown)} of {len(error.output)} lines)" if len(shown) < len(output) else ""
        yield paint(f"  output of {error.service}{more}:", _DIM)
        yield from (f"  | {for_terminal(line, colour=False)}" for line in shown)


def _config(problems: Sequence[Problem], folder: Path, paint: Paint) -> Iterator[str]:
    """Yield the problems by file and line; a hint that consecutive problems share is shown once."""
    count = len(problems)
    yield f"{paint('error:', _RED)} {count} problem{'s' if count > 1 else ''} in the configuration"
    files = {file: rank for rank, file in enumerate(dict.fromkeys(problem.file for problem in problems))}
    ordered = sorted(problems, key=lambda problem: (files[problem.file], problem.line))
    shown = ordered[:MOST_PROBLEMS]
    for index, problem in enumerate(shown):
        place = " ".join(part for part in (_place(problem, folder), problem.key) if part)
        yield f"  {paint(place, _BOLD)}: {problem.message}" if place else f"  {problem.message}"
        following = shown[index + 1].hint if index + 1 < len(shown) else ""
        if problem.hint and problem.hint != following:
            yield f"    {paint('fix:', _GREEN)} {problem.hint}"
    if count > len(shown):
        yield paint(f"  and {count - len(shown)} more", _DIM)


def _place(problem: Problem, folder: Path) -> str:
    if not problem.file:
        return ""
    file = Path(problem.file)
    name = str(file.relative_to(folder)) if file != folder and file.is_relative_to(folder) else problem.file
    return f"{name}:{problem.line}" if problem.line else name


def _plain(text: str, _: str) -> str:
    return text


def _paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m"
