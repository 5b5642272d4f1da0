"""Prints the result of a command for several services, some of which may have failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from pywatt.cli.output.errors import show_error
from pywatt.cli.output.table import print_json
from pywatt.control.error_json import from_json
from pywatt.errors import EXIT_FAILURE


def print_results(result: Mapping[str, Any], done: Sequence[str], verb: str, *, as_json: bool) -> int:
    """Print the results and return the exit status; failures go to standard error."""
    if as_json:
        print_json(result)
    elif done:
        click.echo(f"{verb} {', '.join(done)}.")
    for failure in result["failed"].values():
        if not as_json:
            show_error(from_json(failure))
    return EXIT_FAILURE if result["failed"] else 0
