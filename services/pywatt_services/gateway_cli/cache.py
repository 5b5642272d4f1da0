"""`pywatt cache`: the stored responses of an app's gateways, and their removal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ACTING_ID_HELP, find_app
from pywatt.cli.output.table import json_option, print_json, print_table
from pywatt.errors import ControlError
from pywatt_services.gateway.cache.options import CACHE_FILE
from pywatt_services.gateway.cache.store import WRITER_SECONDS, Store


@click.command(epilog=ACTING_ID_HELP)
@click.argument("app", metavar="[ID]", required=False, shell_complete=name_completion.apps)
@click.option(
    "-t", "--purge-tag", "tags", multiple=True, metavar="TAG", help="Remove responses with a tag; may be repeated."
)
@click.option(
    "-p", "--purge", "targets", multiple=True, metavar="PATH", help="Remove the responses of a path with its query."
)
@click.option("--purge-all", "everything", is_flag=True, help="Remove all responses.")
@json_option
def cache(app: str | None, tags: tuple[str, ...], targets: tuple[str, ...], everything: bool, as_json: bool) -> int:
    """Show how much a gateway has stored of responses; remove some of them from all its workers."""
    purges = bool(tags or targets or everything)
    client = find_app(app, guess=not purges)
    rows = []
    for name, path in _files(client.runtime.folder):
        try:
            with closing(Store(path, wait=WRITER_SECONDS)) as store:
                removed = _purge(store, tags, targets, everything)
                size, count = store.totals()
        except sqlite3.Error as error:
            raise ControlError(f"the response cache {path} cannot be used: {error}", hint="try again") from error
        rows.append({"gateway": name, "responses": count, "bytes": size, **({"removed": removed} if purges else {})})
    if not rows:
        hint = 'add "httpCache": true to `proxy` or `gateway.defaults` of its gateway'
        raise ControlError(f'the app "{client.runtime.name}" has no response cache', hint=hint)
    if as_json:
        print_json(rows)
    else:
        headers = ("GATEWAY", "RESPONSES", "BYTES", *(("REMOVED",) if purges else ()))
        print_table(headers, [tuple(str(value) for value in row.values()) for row in rows])
    return 0


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.rglob(f"*-{CACHE_FILE}")):
        yield path.name.removesuffix(f"-{CACHE_FILE}"), path


def _purge(store: Store, tags: tuple[str, ...], targets: tuple[str, ...], everything: bool) -> int:
    if everything:
        return store.purge()
    removed = store.purge(tags=tags) if tags else 0
    return removed + sum(store.purge(target=target) for target in targets)
