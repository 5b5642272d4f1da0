"""Interprets the words after `pywatt start` and `pywatt dev`: a folder, and services."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from pywatt.config.overrides import Overrides
from pywatt.control.client import ControlClient
from pywatt.control.discovery import implied, running
from pywatt.errors import ConfigError, NotKnown


def split_words(
    words: Sequence[str], config: Path | None, env_file: Path | None
) -> tuple[Path | None, tuple[str, ...]]:
    """Return the folder, if given, and the services: a first word that is a service of the app is not a folder."""
    if not words:
        return None, ()
    first = words[0]
    looks_like_folder = os.sep in first or first in (".", "..") or not _can_be_id(first)
    if looks_like_folder or (os.path.exists(first) and not _is_service(first, config, env_file)):
        return Path(first), tuple(words[1:])
    if len(words) == 1 and not _is_service(first, config, env_file) and not _has_app(config):
        # Of a folder with no app in it, a word that is nothing else is a folder that is missing.
        return Path(first), ()
    return None, tuple(words)


def start_services(directory: Path | None, services: Sequence[str], config: Path | None, env_file: Path | None) -> bool:
    """Start services of the app of a folder, if that app runs; return whether it runs."""
    folder = Path(os.path.normpath(Path.cwd() / (directory or ".")))
    apps = [app for app in implied(running(), folder, guess=False) if app.ready]
    if len(apps) != 1:
        return False
    client = ControlClient(apps[0])
    try:
        result = client.post("start", services=list(services))
    except NotKnown as error:
        ids = [row["id"] for row in client.services() if not row["internal"]]
        lacking = [service for service in services if service not in ids]
        in_files = _are_in_files(lacking, directory, config, env_file)
        if in_files is not False and set(lacking) <= set(client.get("config")["left_out"]):
            error.hint = _how_to_add(lacking, ids, directory, config)
        elif in_files:
            error.hint = "pywatt reload"
        raise
    click.echo(f"Started {', '.join(result['started'])}." if result["started"] else "They run already.")
    return True


def _are_in_files(
    services: Sequence[str], directory: Path | None, config: Path | None, env_file: Path | None
) -> bool | None:
    """Return whether the files of an app have these services, none of them disabled; None: they cannot be loaded."""
    from pywatt.config.pipeline import load

    overrides = Overrides(services=tuple(services))
    try:
        load(directory, cwd=Path.cwd(), environ=os.environ, config=config, env_file=env_file, overrides=overrides)
    except NotKnown:
        return False
    except ConfigError:
        return None
    return True


def _how_to_add(services: Sequence[str], ids: Sequence[str], directory: Path | None, config: Path | None) -> str:
    """Return how to add services to a running app that was started with these `ids` only."""
    options = [*([] if directory is None else [str(directory)]), *([] if config is None else ["-c", str(config)])]
    again = shlex.join(["pywatt", "start", *options, *ids, *services])
    return f"a running app takes in no service that it was started without: pywatt stop, then {again}"


def _can_be_id(word: str) -> bool:
    from pywatt.config.services.entries import ID

    return ID.fullmatch(word) is not None


def _has_app(config: Path | None) -> bool:
    from pywatt.config.discovery import find_app

    try:
        return find_app(None, cwd=Path.cwd(), config=config).has_file
    except ConfigError:
        return True


def _is_service(word: str, config: Path | None, env_file: Path | None) -> bool:
    """Return whether the app of the working directory has such a service; False if its files cannot be loaded."""
    from pywatt.config.pipeline import load

    try:
        app = load(None, cwd=Path.cwd(), environ=os.environ, config=config, env_file=env_file)
    except ConfigError:
        return False
    return any(service.id == word for service in app.services)
