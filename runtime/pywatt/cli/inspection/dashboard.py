"""`pywatt dashboard`: opens the dashboard of a running app in the browser."""

from __future__ import annotations

import html
import webbrowser
from pathlib import Path

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_app
from pywatt.cli.output.table import json_option, print_json

PAGE = "dashboard.html"
OWNER_ONLY = 0o600


@click.command(epilog=ID_HELP)
@click.argument("app", metavar="[ID]", required=False, shell_complete=name_completion.apps)
@click.option("--no-open", is_flag=True, help="Only print its URL.")
@json_option
def dashboard(app: str | None, no_open: bool, as_json: bool) -> None:
    """Open the dashboard of a running app in the browser, and print its URL."""
    client = find_app(app, guess=True)
    url = client.post("dashboard")["url"]
    if as_json:
        print_json({"url": url})
        return
    click.echo(url)
    if not no_open:
        webbrowser.open(_redirecting_page(client.runtime.folder, url).as_uri())


def _redirecting_page(folder: Path, url: str) -> Path:
    """Write a page that only this user can read and that leads there.

    All users of the machine can see a browser's arguments, which must not have the token in them.
    """
    page = folder / PAGE
    page.unlink(missing_ok=True)
    page.touch(OWNER_ONLY)
    address = html.escape(url)
    page.write_text(
        f'<!doctype html><meta http-equiv="refresh" content="0;url={address}"><a href="{address}">Dashboard</a>\n'
    )
    return page
