"""`pywatt schema`: the JSON Schemas of the config files, for editors and checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
from click.shell_completion import CompletionItem

import pywatt_schemas
from pywatt.cli.arguments import name_completion
from pywatt.cli.output.table import json_option, print_json
from pywatt.config.diagnostics.hints import suggest
from pywatt.errors import NotKnown
from pywatt.service_type import load_type, registered

ROOT = "runtime"


def _complete_name(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return name_completion.matching([ROOT, *sorted(registered())], incomplete)


@click.command()
@click.argument("name", required=False, default=ROOT, shell_complete=_complete_name)
@click.option("-l", "--list", "list_names", is_flag=True, help="List the names of the schemas.")
@json_option
def schema(name: str, list_names: bool, as_json: bool) -> None:
    """Print the JSON Schema of the root file (`runtime`, the default) or of a service type's file."""
    names = [ROOT, *sorted(registered())]
    if list_names:
        print_json(names) if as_json else click.echo("\n".join(names))
    else:
        print_json(_schema(name, names))


def _schema(name: str, names: list[str]) -> Mapping[str, Any]:
    if name == ROOT:
        return pywatt_schemas.load(ROOT)
    if name not in names:
        raise NotKnown(f'there is no schema "{name}"', hint=suggest(name, names, kind="known", always_list=True))
    return pywatt_schemas.service_file(load_type(name).schema)
