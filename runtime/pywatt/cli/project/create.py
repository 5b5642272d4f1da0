"""`pywatt create`: make an app from templates, or add services to the one that is there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pywatt.cli.output.table import json_option, print_json
from pywatt.cli.project.create_questions import ask_for_services, confirm_overwriting, confirm_writing
from pywatt.config.discovery import config_files, find_app, is_root
from pywatt.config.files.document import Document, read_document
from pywatt.config.files.reading import absolute
from pywatt.config.pipeline import load
from pywatt.errors import CreateRefused
from pywatt.scaffold.app_plan import plan_grown_app, plan_new_app
from pywatt.scaffold.catalogue import KINDS, NewService, is_installed, parse_new_service
from pywatt.scaffold.file_changes import FileChanges, compare_files, write
from pywatt.scaffold.file_plan import FilePlan, files_of_grown_app, files_of_new_app, services_folder, taken_ids

DEFAULT_SERVICES = ("gateway", "python")
"""Services of a new app by default."""


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option("--name", help="The app's name; without DIRECTORY it is made in a new folder of that name.")
@click.option(
    "-s",
    "--service",
    "services",
    multiple=True,
    metavar="ID=KIND[:TEMPLATE]",
    help=f"A service to make, as in api=python:fastapi; may be repeated. Kinds: {', '.join(KINDS)}.",
)
@click.option("-y", "--yes", is_flag=True, help="Ask nothing. Files that are there already are kept.")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
@json_option
def create(
    directory: Path | None, name: str | None, services: Sequence[str], yes: bool, force: bool, as_json: bool
) -> None:
    """Make an app in DIRECTORY (default: here), or add services to the app that is there.

    Works offline. On a terminal it asks for what is not said.
    """
    if as_json and not yes:
        raise click.UsageError("--json asks nothing: add --yes")
    if not yes and not sys.stdin.isatty():
        raise CreateRefused("there is no terminal to ask on", hint="add --yes, and say what to make with --service")
    folder, root = _place(directory, name)
    new_services = [parse_new_service(service) for service in services]
    plan = (
        _grown(root, new_services, ask=not yes)
        if root
        else _new(folder, name or folder.name, new_services, ask=not yes)
    )
    changes = compare_files(plan.files, _overwriting(force=force, ask=not yes))
    if not yes and not confirm_writing(plan, changes):
        raise click.Abort
    order = {file.path: number for number, file in enumerate(plan.files)}
    write(sorted((*changes.created, *changes.changed), key=lambda file: order[file.path]))
    if as_json:
        print_json(_document(plan, changes))
    else:
        _report(plan, changes, new=root is None)


def _place(directory: Path | None, name: str | None) -> tuple[Path, Document | None]:
    """Return the app's folder, and its root file if there is an app. Raises CreateRefused, ConfigError."""
    cwd = Path.cwd()
    if name is not None and (not name.strip() or name != Path(name).name or name.startswith(".")):
        raise CreateRefused(f'"{name}" cannot be a name', hint="a name is one word that can be a folder's name")
    if directory is None and name is None:
        found = find_app(None, cwd=cwd, config=None)
        if found.is_root:
            return found.folder, found.document
    folder = absolute(directory or Path(name or ""), cwd)
    if folder.is_file():
        raise CreateRefused(f"{folder} is a file", hint="name the app's folder")
    for file in config_files(folder):
        document = read_document(file)
        if is_root(document.data):
            return folder, document
        raise CreateRefused(
            f"{file} describes a single service, to which none can be added",
            hint="make an app in another folder, move this one into its web folder and list it in watt.json",
        )
    return folder, None


def _new(folder: Path, name: str, new_services: Sequence[NewService], *, ask: bool) -> FilePlan:
    if not new_services:
        defaults = [parse_new_service(text) for text in DEFAULT_SERVICES]
        new_services = ask_for_services(folder, (), defaults) if ask else defaults
    return files_of_new_app(plan_new_app(folder, name, new_services))


def _grown(root: Document, new_services: Sequence[NewService], *, ask: bool) -> FilePlan:
    present = load(root.file, cwd=Path.cwd(), environ=os.environ)
    taken = taken_ids(present, root)
    if not new_services:
        if not ask:
            raise CreateRefused(
                f"{root.file} is an app already, with the services {', '.join(taken)}",
                hint="say what to add: --service ID=KIND[:TEMPLATE]",
            )
        new_services = ask_for_services(present.root, taken, ())
    return files_of_grown_app(plan_grown_app(present, taken, services_folder(present, root), new_services), root)


def _overwriting(*, force: bool, ask: bool) -> Callable[[Path], bool]:
    if force or not ask:
        return lambda _path: force
    return confirm_overwriting


def _document(plan: FilePlan, changes: FileChanges) -> dict[str, Any]:
    folder = plan.app.folder
    return {
        "folder": str(folder),
        "services": [service.id for service in plan.app.new_services],
        **{
            word: [_shown(file.path, folder) for file in files]
            for word, files in (("created", changes.created), ("changed", changes.changed), ("kept", changes.kept))
        },
        "notes": [*plan.notes, *_missing(plan)],
    }


def _report(plan: FilePlan, changes: FileChanges, *, new: bool) -> None:
    folder = plan.app.folder
    for word, files in (("created", changes.created), ("changed", changes.changed), ("kept", changes.kept)):
        for file in files:
            note = " (it was there already; --force overwrites it)" if word == "kept" else ""
            click.echo(f"{word:<8} {_shown(file.path, folder)}{note}")
    for note in (*plan.notes, *_missing(plan)):
        click.echo(f"note     {note}")
    here = folder == Path.cwd()
    if new:
        click.echo(f"next     {'' if here else f'cd {_shown(folder, Path.cwd())} && '}pywatt dev")


def _missing(plan: FilePlan) -> list[str]:
    """Return notes about packages and programs that the services need and that are not installed."""
    templates = dict.fromkeys(service.template for service in plan.app.new_services)
    packages = [line for template in templates if not is_installed(template) for line in template.requirements]
    programs = [each.program for each in templates if each.program and shutil.which(each.program) is None]
    notes = []
    if packages:
        notes.append(f"not installed here: {', '.join(packages)}. Say: pip install -r requirements.txt")
    if programs:
        notes.append(f"not on PATH here: {', '.join(programs)}")
    return notes


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path != folder and path.is_relative_to(folder) else str(path)
