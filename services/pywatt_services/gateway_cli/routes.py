"""`pywatt routes`: the routes of an app's gateway, and which one takes a URL."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.config_options import config_option, env_file_option
from pywatt.cli.arguments.selection import find_app
from pywatt.cli.output.table import json_option, print_json, print_table
from pywatt.control.discovery import implied, named, running
from pywatt.errors import ControlError
from pywatt.http.request_error import RequestError
from pywatt_services.gateway_cli.gateways import Gateway, gateways
from pywatt_services.gateway_cli.question import Answer, Question, answer, question

FROM_FILES = "the config files"


@click.command(
    epilog="ID is a running app's pid, name or folder; without it, the running app of this folder is meant, else its"
    " config files. URL may be a path alone."
)
@click.argument("words", metavar="[ID] [URL]", nargs=-1, shell_complete=name_completion.apps)
@click.option("-X", "-m", "--method", default="GET", show_default=True, help="The method of the request to URL.")
@click.option("-H", "--header", "headers", multiple=True, metavar="NAME:VALUE", help="A header; may be repeated.")
@click.option("-f", "--files", "from_files", is_flag=True, help="Read the config files, also if the app runs.")
@config_option
@env_file_option
@json_option
def routes(
    words: tuple[str, ...],
    method: str,
    headers: tuple[str, ...],
    from_files: bool,
    config: Path | None,
    env_file: Path | None,
    as_json: bool,
) -> int:
    """Show the routes of a gateway; with URL, which of them takes it and why."""
    wanted, url = _words(words)
    asked = None if url is None else _question(method, url, headers)
    if from_files or config is not None or env_file is not None or not _runs(wanted):
        document, source = _from_files(wanted, config, env_file), FROM_FILES
    else:
        client = find_app(wanted, guess=False)
        document, source = client.get("config"), f'the running app "{client.runtime.name}" (pid {client.runtime.pid})'
    found = gateways(document)
    if not found:
        raise ControlError("this app has no gateway", hint='a service with "type": "gateway" has routes')
    if asked is None:
        _show_tables(found, source, as_json)
        return 0
    gateway = next((each for each in found if each.id == document["entrypoint"]), found[0])
    outcome = answer(gateway, asked)
    if as_json:
        print_json({"source": source, "gateway": gateway.id, **outcome.document(gateway)})
    else:
        _show_answer(gateway, asked, outcome)
    return 0 if outcome.taken is not None else 1


def _words(words: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Return the app's word and the URL: the last word that has a scheme, or begins with / and is no folder."""
    *rest, last = words or ("",)
    url = None
    if "://" in last or (last.startswith(("/", "?")) and not Path(last).exists()) or (rest and last):
        url = last
    elif last:
        rest = [last]
    if len(rest) > 1:
        raise click.UsageError(f"too many words: {' '.join(words)!r}")
    return (rest[0] if rest else None), url


def _question(method: str, url: str, headers: Sequence[str]) -> Question:
    fields: list[tuple[str, str]] = []
    for header in headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise click.UsageError(f"{header!r} is not of the form NAME:VALUE")
        fields.append((name.strip().lower(), value.strip()))
    try:
        return question(method, url, fields)
    except ValueError as error:
        raise click.UsageError(f"{url!r} is no URL: {error}") from error


def _runs(wanted: str | None) -> bool:
    """Tell whether an app runs that is meant; a folder whose app does not is read from its files."""
    apps = running()
    if wanted is None:
        return bool(implied(apps, Path.cwd(), guess=False))
    return bool(named(apps, wanted, Path.cwd())) or not Path(wanted).exists()


def _from_files(wanted: str | None, config: Path | None, env_file: Path | None) -> dict[str, Any]:
    from pywatt.config.pipeline import load  # the schemas take time, which a running app saves
    from pywatt.redaction import hide
    from pywatt.supervisor.snapshot import config_document

    folder = None if wanted is None else Path(wanted)
    app = load(folder, cwd=Path.cwd(), environ=os.environ, config=config, env_file=env_file)
    return dict(hide(config_document(app)))


def _show_tables(found: Sequence[Gateway], source: str, as_json: bool) -> None:
    if as_json:
        shown = [
            {"id": each.id, "basePath": each.base_path or "/", "routes": [rule.document() for rule in each.rules]}
            for each in found
        ]
        print_json({"source": source, "gateways": shown})
        return
    for number, gateway in enumerate(found):
        if len(found) > 1 or gateway.base_path:
            base = f" below {gateway.base_path}" if gateway.base_path else ""
            click.echo(("\n" if number else "") + f"{gateway.id}{base}:")
        headers = ("RULE", "HOST", "PATHS", "METHODS", "SERVICE", "AT", "POLICIES")
        rows = [
            (
                str(index + 1),
                rule.options.hostname or "*",
                rule.paths,
                rule.methods,
                rule.options.id,
                rule.options.rewrite_prefix or "/",
                ", ".join(rule.policies) or "-",
            )
            for index, rule in enumerate(gateway.rules)
        ]
        print_table(headers, rows)


def _show_answer(gateway: Gateway, asked: Question, outcome: Answer) -> None:
    if isinstance(outcome.refused, RequestError):
        click.echo(f"{asked.shown}: answered {outcome.refused.status} by the gateway, {outcome.refused}")
        return
    if outcome.taken is None:
        click.echo(f"{asked.shown}: no route takes it, the gateway answers {outcome.status}")
    else:
        rule = gateway.rules[outcome.taken]
        click.echo(f"{asked.shown}: rule {outcome.taken + 1} takes it")
        goes_to = f"{rule.options.id} ({', '.join(outcome.origins)}) as {asked.method} {outcome.upstream_target}"
        click.echo(f"  answered by the gateway: {rule.answer}" if rule.answer else f"  goes to {goes_to}")
        if rule.policies:
            click.echo(f"  policies: {', '.join(rule.policies)}")
    rows = [
        (
            str(verdict.index + 1),
            gateway.rules[verdict.index].options.id,
            "takes" if verdict.takes else "-",
            verdict.why,
        )
        for verdict in outcome.verdicts
    ]
    print_table(("RULE", "SERVICE", "", "WHY"), rows, {"takes": "green"})
