"""Runs `pywatt kafka ...` in this process, with its errors printed as the program does."""

from __future__ import annotations

from dataclasses import dataclass

from click.testing import CliRunner

from pywatt.cli.commands import pywatt
from pywatt.cli.output.errors import render
from pywatt.errors import PywattError


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that has ended."""

    status: int
    out: str
    err: str


def kafka(*arguments: str, answer: str | None = None) -> Finished:
    """Run a command; `answer`: the text that is typed."""
    result = CliRunner().invoke(pywatt, ["kafka", *arguments], input=answer)
    if isinstance(result.exception, PywattError):
        return Finished(result.exception.exit_status, result.stdout, f"{result.stderr}{render(result.exception)}\n")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Finished(result.exit_code, result.stdout, result.stderr)
