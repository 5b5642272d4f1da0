"""`pywatt scale`: run a service with another number of workers."""

from __future__ import annotations

import re

import click

from pywatt.cli.arguments.selection import ACTING_ID_HELP, find_app
from pywatt.cli.lifecycle.service_results import print_results
from pywatt.cli.output.table import json_option

_PAIR = re.compile(r"([^=]+)=(\d+)")


@click.command(epilog=ACTING_ID_HELP)
@click.argument("words", metavar="[ID] SERVICE=N...", nargs=-1, required=True)
@json_option
def scale(words: tuple[str, ...], as_json: bool) -> int:
    """Run each SERVICE with N workers, until its entry in the config files changes."""
    wanted = words[0] if "=" not in words[0] else None
    counts: dict[str, int] = {}
    for word in words[1:] if wanted is not None else words:
        pair = _PAIR.fullmatch(word)
        if pair is None:
            raise click.UsageError(f"{word!r} is not of the form SERVICE=N, as in: pywatt scale api=2")
        counts[pair[1]] = int(pair[2])
    if not counts:
        raise click.UsageError("name a service and its number of workers, as in: pywatt scale api=2")
    result = find_app(wanted, guess=False).post("scale", services=counts)
    done = [f"{service} to {count}" for service, count in result["scaled"].items()]
    return print_results(result, done, "Scaled", as_json=as_json)
