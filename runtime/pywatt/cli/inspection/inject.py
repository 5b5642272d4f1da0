"""`pywatt inject`: send one request to a service of a running app, past the gateway."""

from __future__ import annotations

import base64
import http.client
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ACTING_ID_HELP, find_services
from pywatt.cli.output.table import json_option, print_json
from pywatt.control.discovery import named, running
from pywatt.errors import ControlError
from pywatt.mesh.table import MESH_SUFFIX

DEFAULT_SECONDS = 30.0


@click.command(epilog=ACTING_ID_HELP)
@click.argument("words", metavar="[ID] [SERVICE] [PATH]", nargs=-1, shell_complete=name_completion.services)
@click.option("-X", "-m", "--method", help="[default: GET; POST with -d]")
@click.option("-p", "--path", help="The path, instead of as the last word.  [default: /]")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header; may be repeated.")
@click.option("-d", "--data", help="The body; @FILE takes it from a file.")
@click.option("-f", "--full", is_flag=True, help="Show the request and the head of the answer too.")
@click.option("-t", "--timeout", default=DEFAULT_SECONDS, show_default=True, help="Seconds to wait for the answer.")
@json_option
def inject(
    words: tuple[str, ...],
    method: str | None,
    path: str | None,
    headers: tuple[str, ...],
    data: str | None,
    full: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Send a request to SERVICE (default: the entrypoint) and print the body of its answer."""
    words, path = _path(words, path)
    selection = find_services(words, guess=False)
    rows = list(selection.rows) if selection.named else [row for row in selection.rows if row["entrypoint"]]
    if len(rows) != 1:
        raise ControlError("which service?", hint=f"name one: {', '.join(row['id'] for row in selection.rows)}")
    row = rows[0]
    if row["url"] is None:
        raise ControlError(f'the service "{row["id"]}" does not answer HTTP')
    fields = [_field(header) for header in headers]
    body = _body(data)
    if not any(name.lower() == "host" for name, _ in fields):
        fields.insert(0, ("host", row["id"] + MESH_SUFFIX))
    method = (method or ("GET" if body is None else "POST")).upper()
    response, received = send_request(row, method, path, fields, body, timeout)
    if as_json:
        print_json(_document(response, received))
        return
    if full:
        click.echo(f"> {method} {path} HTTP/1.1")
        for name, value in fields:
            click.echo(f"> {name}: {value}")
        click.echo(f"< HTTP/1.1 {response.status} {response.reason}".rstrip())
        for name, value in response.getheaders():
            click.echo(f"< {name}: {value}")
        click.echo("<")
    click.echo(received, nl=sys.stdout.isatty() and bool(received) and not received.endswith(b"\n"))


def send_request(
    row: dict[str, Any], method: str, path: str, fields: list[tuple[str, str]], body: bytes | None, timeout: float
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(urlsplit(row["url"]).netloc, timeout=timeout)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in fields:
            connection.putheader(name, value)
        if body is not None and not any(name.lower() == "content-length" for name, _ in fields):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response, response.read()
    except TimeoutError:
        hint = f"`pywatt stack {row['id']}` shows what it is doing; -t SECONDS waits longer"
        raise ControlError(f'the service "{row["id"]}" did not answer within {timeout:g} s', hint=hint) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise ControlError(f'the request to the service "{row["id"]}" failed: {error!r}') from error
    finally:
        connection.close()


def _path(words: tuple[str, ...], path: str | None) -> tuple[tuple[str, ...], str]:
    """Return the words without the path, and the path: a last word that begins with `/` and is no app's folder."""
    if path is None and words and words[-1].startswith(("/", "?")) and not _is_app(words[-1]):
        *rest, path = words
        words = tuple(rest)
    path = path or "/"
    return words, path if path.startswith("/") else f"/{path}"


def _is_app(word: str) -> bool:
    return bool(named(running(), word, Path.cwd()))


def _field(header: str) -> tuple[str, str]:
    name, colon, value = header.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"{header!r} is not of the form NAME:VALUE")
    return name.strip(), value.strip()


def _body(data: str | None) -> bytes | None:
    if data is None or not data.startswith("@"):
        return None if data is None else data.encode()
    try:
        return Path(data[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(f"cannot read {data[1:]}: {error.strerror}") from error


def _document(response: http.client.HTTPResponse, body: bytes) -> dict[str, Any]:
    document: dict[str, Any] = {
        "status": response.status,
        "reason": response.reason,
        "headers": [[name, value] for name, value in response.getheaders()],
    }
    try:
        return {**document, "body": body.decode()}
    except UnicodeDecodeError:
        return {**document, "body_base64": base64.b64encode(body).decode()}
