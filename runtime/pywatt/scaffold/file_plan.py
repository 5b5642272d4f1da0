"""Plans the files of a new app, or the changes of an app that gets more services; reads, but writes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt import __version__
from pywatt.config.discovery import LISTS
from pywatt.config.environment import ENV_FILE, nearest_env_file
from pywatt.config.files.document import Document, read_document
from pywatt.config.files.formats import Format
from pywatt.config.files.key_path import KeyPath
from pywatt.config.files.reading import absolute
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.settings import hoisted
from pywatt.scaffold.app_plan import GATEWAY, WEB, AppPlan
from pywatt.scaffold.config_documents import entry, one_line, root_text, route
from pywatt.scaffold.editor_schemas import ROOT_SCHEMA, schema_file
from pywatt.scaffold.env_file import env_text, variables
from pywatt.scaffold.file_changes import Mode, PlannedFile
from pywatt.scaffold.gitignore import ignore_text
from pywatt.scaffold.json_insertion import append_item, insert_key
from pywatt.scaffold.project_files import TOOLS, project_files
from pywatt.scaffold.rendering import render
from pywatt.scaffold.requirements import pinned, requirements, requirements_text, undeclared
from pywatt.scaffold.service_files import service_files

ROOT = "watt.json"
BYTE_ORDER_MARK = "\ufeff"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePlan:
    """The files to write, and notes about steps left to the user."""

    app: AppPlan
    files: tuple[PlannedFile, ...]
    """In the order of writing: the files that refer to the others come last."""
    notes: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    app: AppPlan
    files: list[PlannedFile] = field(default_factory=list)
    last: list[PlannedFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def finished(self) -> FilePlan:
        return FilePlan(app=self.app, files=(*self.files, *self.last), notes=tuple(self.notes))


def files_of_new_app(app: AppPlan) -> FilePlan:
    """Return the plan of a new app."""
    draft = _Draft(app)
    folder = app.folder
    _add_services(draft)
    _add_lines(draft, folder / ENV_FILE, env_text(_text(folder / ENV_FILE), variables(app)))
    sample = folder / f"{ENV_FILE}.sample"
    draft.files.append(PlannedFile(path=sample, content=env_text("", variables(app))))
    _add_lines(draft, folder / ".gitignore", ignore_text(_text(folder / ".gitignore")))
    _add_lines(
        draft, folder / "requirements.txt", requirements_text(_text(folder / "requirements.txt"), requirements(app))
    )
    development = folder / "requirements-dev.txt"
    _add_lines(draft, development, requirements_text(_text(development), ["-r requirements.txt", *map(pinned, TOOLS)]))
    draft.files.append(PlannedFile(path=folder / "README.md", content=_readme(app)))
    draft.files += project_files(app)
    draft.files.append(_schema(app, ROOT_SCHEMA))
    draft.last.append(PlannedFile(path=folder / ROOT, content=root_text(app)))
    return draft.finished()


def files_of_grown_app(app: AppPlan, root: Document) -> FilePlan:
    """Return the plan of an app that gets more services; `root` is its root file."""
    draft = _Draft(app)
    _add_services(draft)
    _add_variables(draft, root)
    _add_requirements(draft)
    _wire_gateway(draft)
    _wire_root(draft, root)
    return draft.finished()


def services_folder(present: RuntimeConfig, root: Document) -> Path:
    """Return the parent folder of an app's services: the one that all share, else the default."""
    if root.data.get("autoload") and not any(root.data.get(name) for name in LISTS):
        return absolute(Path(root.data["autoload"]["path"]), present.root)
    parents = {service.path.parent for service in present.services if not service.internal}
    common = next(iter(parents)) if len(parents) == 1 else present.root / WEB
    return common if common.is_relative_to(present.root) else present.root / WEB


def taken_ids(present: RuntimeConfig, root: Document) -> tuple[str, ...]:
    """Return every id of an app, including ids of disabled services."""
    listed = [entry["id"] for name in LISTS for entry in root.data.get(name, ()) if isinstance(entry.get("id"), str)]
    return tuple(dict.fromkeys([*listed, *(service.id for service in present.services)]))


def _add_services(draft: _Draft) -> None:
    for service in draft.app.new_services:
        draft.files += service_files(draft.app, service)
    for name in dict.fromkeys(service.template.type for service in draft.app.new_services):
        draft.files.append(_schema(draft.app, name))


def _schema(app: AppPlan, name: str) -> PlannedFile:
    path, content = schema_file(name)
    return PlannedFile(path=app.folder / path, content=content, mode=Mode.OURS)


def _add_lines(draft: _Draft, path: Path, content: str) -> None:
    draft.files.append(PlannedFile(path=path, content=content, mode=Mode.CHANGED))


def _text(path: Path) -> str:
    """Return the exact text of a file of the user; empty if there is none."""
    return path.read_bytes().decode() if path.is_file() else ""


def _add_variables(draft: _Draft, root: Document) -> None:
    needed = variables(draft.app)
    if not needed:
        return
    folder = draft.app.folder
    named = hoisted(root.data).get("envfile")
    file = absolute(Path(named), folder) if isinstance(named, str) else nearest_env_file(folder, folder)
    if file is not None and not file.is_relative_to(folder):
        lines = ", ".join(f"{name}={value}" for name, value in needed.items())
        draft.notes.append(f"set these where your other variables are, in {file}: {lines}")
        return
    file = file or folder / ENV_FILE
    _add_lines(draft, file, env_text(_text(file), needed))
    sample = folder / f"{ENV_FILE}.sample"
    if sample.is_file():
        _add_lines(draft, sample, env_text(_text(sample), needed))


def _add_requirements(draft: _Draft) -> None:
    needed = requirements(draft.app)
    file = draft.app.folder / "requirements.txt"
    if needed and file.is_file():
        _add_lines(draft, file, requirements_text(_text(file), needed))
    elif needed:
        draft.notes.append(f"the new services need these packages: {', '.join(needed)}")
    lacking = undeclared(_text(draft.app.folder / "pyproject.toml"), needed)
    if lacking and draft.app.present is not None:
        quoted = ", ".join(f'"{line}"' for line in lacking)
        draft.notes.append(f"add this to the dependencies in pyproject.toml: {quoted}")


def _wire_gateway(draft: _Draft) -> None:
    """Add the new services to an existing gateway's route list, if it has one."""
    app = draft.app
    asked = [service for service in app.new_services if service.template.http and service.id != app.gateway]
    gateway = _present_service(app, app.gateway)
    if gateway is None or gateway.file is None or not asked:
        return
    document = read_document(gateway.file)
    found = _route_list(document.data)
    if found is None:
        return
    key, routes = found
    prefixes = {str(each.get("proxy", {}).get("prefix", each.get("id"))).strip("/") for each in routes}
    text = document.text
    for service in asked:
        if service.id in prefixes:
            draft.notes.append(
                f"{gateway.file} has the prefix /{service.id} already: nothing leads to {service.id} yet"
            )
        elif document.format is Format.JSON:
            text = append_item(text, key, route(service))
        else:
            draft.notes.append(
                f"add this to the {'.'.join(map(str, key))} of {gateway.file}: {one_line(route(service))}"
            )
    if text != document.text:
        draft.last.append(PlannedFile(path=gateway.file, content=_with_mark(gateway.file, text), mode=Mode.CHANGED))


def _route_list(data: Mapping[str, Any]) -> tuple[KeyPath, list[Mapping[str, Any]]] | None:
    for block in (GATEWAY, "composer"):
        for name in ("applications", "services"):
            routes = data.get(block, {}).get(name) if isinstance(data.get(block), dict) else None
            if routes:
                return (block, name), [each for each in routes if isinstance(each, dict)]
    return None


def _wire_root(draft: _Draft, root: Document) -> None:
    """Add the new services to the root file, and keep the entrypoint."""
    app = draft.app
    assert app.present is not None
    lists = [name for name in root.data if name in LISTS]
    loaded_by_folder = not lists and "autoload" in root.data
    kept = app.present.entrypoint if "entrypoint" not in root.data and app.present.entrypoint else None
    if root.format is Format.JSON:
        text = root.text
        for service in () if loaded_by_folder else app.new_services:
            text = append_item(text, (lists[-1],), entry(app, service))
        if kept is not None and _present_type(app, kept) != GATEWAY:
            text = insert_key(text, "entrypoint", kept)
        draft.last.append(PlannedFile(path=root.file, content=_with_mark(root.file, text), mode=Mode.CHANGED))
    else:
        if not loaded_by_folder:
            entries = "".join(f"\n    {one_line(entry(app, service))}" for service in app.new_services)
            draft.notes.append(f"add this to the list `{lists[-1]}` in {root.file}:{entries}")
        if kept is not None and _present_type(app, kept) != GATEWAY:
            draft.notes.append(f'set "entrypoint" to "{kept}" in {root.file}: it was the only service until now')
    new = [service.id for service in app.new_services if service.template.kind == GATEWAY]
    if new and app.entrypoint not in new:
        draft.notes.append(
            f'"{app.entrypoint}" still has the public address: set "entrypoint" to "{new[0]}" in {root.file.name}'
            " to have the gateway in front"
        )


def _with_mark(file: Path, text: str) -> str:
    """Return the text with the byte order mark that the file has, if it has one."""
    return BYTE_ORDER_MARK + text if file.read_bytes().startswith(BYTE_ORDER_MARK.encode()) else text


def _present_service(app: AppPlan, service_id: str | None) -> ServiceConfig | None:
    services: Iterator[ServiceConfig] = iter(app.present.services if app.present else ())
    return next((service for service in services if service.id == service_id), None)


def _present_type(app: AppPlan, service_id: str) -> str | None:
    service = _present_service(app, service_id)
    return service.type if service else None


def _readme(app: AppPlan) -> str:
    rows = ["| service | what | public at |", "|---|---|---|"]
    for service in app.new_services:
        public = app.public_path(service)
        at = "no" if public is None else f"`{public or '/'}`"
        rows.append(f"| `{service.id}` | {service.template.title}, in `{entry(app, service)['path']}` | {at} |")
    port = variables(app)["PORT"]
    listens = (
        f"It listens at http://127.0.0.1:{port} (`PORT` in `.env`)."
        if app.entrypoint
        else "It listens nowhere: none of its services answers HTTP."
    )
    values = {"name": app.name, "version": __version__, "port": port, "listens": listens}
    return render("app/README.md", {**values, "services": "\n".join(rows)})
