"""`pywatt dashboard`: opens the dashboard of a running app in the browser; exports what it has seen, and shows that."""

from __future__ import annotations

import html
import http.client
import importlib
import os
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_app
from pywatt.cli.output.table import json_option, print_json
from pywatt.control.client import API
from pywatt.errors import ControlError, PywattError

PAGE = "dashboard.html"
OWNER_ONLY = 0o600
EXPORT, IMPORT, OPEN = "export", "import", "open"
SHOW = "pywatt_services.dashboard.recording.show"
"""The module that shows a recording, by name: pywatt itself imports none of its services."""
PIECE = 256 * 1024
SECONDS = 60.0
"""Within which each piece of a recording has to come."""
_OK = 200


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] [export FILE | import FILE]", nargs=-1, shell_complete=name_completion.apps)
@click.option("--no-open", is_flag=True, help="Only print its URL.")
@json_option
def dashboard(words: tuple[str, ...], no_open: bool, as_json: bool) -> None:
    """Open the dashboard of a running app in the browser, and print its URL.

    `export FILE` writes what it has seen into a file: traces, logs, metrics, and the configuration without secrets.
    `import FILE` shows such a file, also where the app does not run.
    """
    app, action, file = split(words)
    if action == IMPORT:
        _show(Path(file), no_open=no_open, as_json=as_json)
        return
    client = find_app(app, guess=True)
    url = client.post("dashboard")["url"]
    if action == EXPORT:
        size = _export(url, Path(file))
        if as_json:
            print_json({"file": file, "bytes": size})
        else:
            click.echo(f"Wrote {file} ({size / 1e6:.1f} MB): `pywatt dashboard import {file}` shows it.")
        return
    _tell(url, client.runtime.folder, no_open=no_open, as_json=as_json)


def split(words: Sequence[str]) -> tuple[str | None, str, str]:
    """Return the app's id, what to do, and with which file (pure). Raises UsageError."""
    match tuple(words):
        case ():
            return None, "", ""
        case ("export" | "import" | "open",):
            raise click.UsageError(f"{words[0]} needs a file, as in: pywatt dashboard {words[0]} today.pywatt")
        case (app,):
            return app, "", ""
        case ("export", file):
            return None, EXPORT, file
        case ("import" | "open", file):
            return None, IMPORT, file
        case (app, "export", file):
            return app, EXPORT, file
        case _:
            raise click.UsageError("write: pywatt dashboard [ID] [export FILE], or: pywatt dashboard import FILE")


def _tell(url: str, folder: Path, *, no_open: bool, as_json: bool) -> None:
    if as_json:
        print_json({"url": url})
        return
    click.echo(url)
    if not no_open:
        webbrowser.open(_redirecting_page(folder, url).as_uri())


def _export(url: str, file: Path) -> int:
    """Write the recording into a file that only this user can read; return its size. Raises PywattError."""
    place = urlsplit(url)
    token = place.fragment.partition("=")[2]
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=SECONDS)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        connection.request("GET", f"{API}/recording", headers={"Authorization": f"Bearer {token}"})
        response = connection.getresponse()
        if response.status != _OK:
            raise ControlError(f"the dashboard answered with the status {response.status}", hint="see: pywatt logs")
        size = 0
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        with open(descriptor, "wb") as written:
            while piece := response.read(PIECE):
                size += written.write(piece)
        part.replace(file)
        return size
    except http.client.HTTPException as error:
        raise ControlError("the app ended before all was written", hint="see: pywatt logs") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise PywattError(f"{file} cannot be written: {why}", hint="name another file") from error
    finally:
        connection.close()
        part.unlink(missing_ok=True)


def _show(file: Path, *, no_open: bool, as_json: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="pywatt-") as folder:

        def opened(url: str) -> None:
            _tell(url, Path(folder), no_open=no_open, as_json=as_json)
            if not as_json:
                click.echo(f"This is a recording: {file}. Ctrl-C ends it.", err=True)

        try:
            importlib.import_module(SHOW).show_recording(file, opened)
        except OSError as error:
            why = error.strerror or str(error)
            raise PywattError(f"{file} cannot be shown: {why}", hint="name a file that can be read") from error


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
