"""Reads the service entries of a root file: `web`, `services` and `applications` joined, then folders of `autoload`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.discovery import LISTS
from pywatt.config.environment import as_variables
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath
from pywatt.config.files.reading import absolute
from pywatt.config.model import AutoloadConfig
from pywatt.config.supervision import Layer, layer_of

_ID_SCHEMA = pywatt_schemas.load("runtime")["$defs"]["id"]
ID = re.compile(_ID_SCHEMA["pattern"])
_ID_WORDS = _ID_SCHEMA[pywatt_schemas.EXPECTS]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceEntry:
    """A service as the root file lists it."""

    id: str
    key: KeyPath
    """Path of the entry in the root file."""
    path: Path
    config: str | None = None
    enabled: bool = True
    dependencies: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    env: Mapping[str, str]
    envfile: Path | None = None
    supervision: Layer = field(default_factory=dict)
    """The supervision keys of the entry."""
    telemetry: Mapping[str, Any] | None = None
    """Its block `telemetry`; None: it has none."""

    @property
    def id_key(self) -> KeyPath:
        """The key in the root file that gives the id; for a folder of `autoload`, the key that gives the folder."""
        return (*self.key, "id") if self.key[:1] and self.key[0] in LISTS else self.key


def service_entries(
    root: Document, data: Mapping[str, Any], *, production: bool, diagnostics: Diagnostics
) -> tuple[ServiceEntry, ...]:
    """Return the entries of all services, disabled ones included; `data` is the valid part of the root's document."""
    found: dict[str, ServiceEntry] = {}
    for key, entry in _entries(data):
        if "id" in entry and "path" in entry:
            _add(_entry(entry, key, root.file.parent, production=production), found, root, diagnostics)
    autoload = autoload_config(root, data)
    if autoload is not None:
        mappings = data["autoload"].get("mappings", {})
        for service in _autoloaded(root, autoload, mappings, production=production, diagnostics=diagnostics):
            listed = found.get(service.id)
            # the same folder listed by hand as well: what the list says wins, as in the original
            if listed is None or listed.path != service.path:
                _add(service, found, root, diagnostics)
    return tuple(found.values())


def autoload_config(root: Document, data: Mapping[str, Any]) -> AutoloadConfig | None:
    """Return the `autoload` block of the root's document."""
    block = data.get("autoload", {})
    if "path" not in block:
        return None
    return AutoloadConfig(
        path=absolute(Path(block["path"]), root.file.parent), exclude=frozenset(block.get("exclude", ()))
    )


def lists_folder(root: Document, folder: Path) -> bool:
    """Return whether a root file, valid or not, has the folder as one of its services."""
    data, home = root.data, root.file.parent
    paths = [entry["path"] for _, entry in _entries(data) if isinstance(entry.get("path"), str)]
    autoload = data.get("autoload")
    parent = autoload.get("path") if isinstance(autoload, dict) else None
    return folder in (absolute(Path(path), home) for path in paths) or (
        isinstance(parent, str) and folder.parent == absolute(Path(parent), home)
    )


def is_autoloaded(name: str, exclude: frozenset[str]) -> bool:
    """Return whether a folder in `autoload.path` is a service by its name: hidden folders and `__pycache__` are not."""
    return name not in exclude and not name.startswith((".", "__"))


def listed_ids(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Return all ids in the lists, including ids of invalid entries."""
    return tuple(entry["id"] for _, entry in _entries(data) if isinstance(entry.get("id"), str))


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[KeyPath, Mapping[str, Any]]]:
    for name in data:
        if name in LISTS and isinstance(data[name], list):
            for index, entry in enumerate(data[name]):
                if isinstance(entry, dict):
                    yield (name, index), entry


def _entry(entry: Mapping[str, Any], key: KeyPath, folder: Path, *, production: bool) -> ServiceEntry:
    enabled = entry.get("enabled", True)
    if isinstance(enabled, dict):
        enabled = enabled.get("production" if production else "development", True)
    return ServiceEntry(
        id=entry["id"],
        key=key,
        path=absolute(Path(entry["path"]), folder),
        config=entry.get("config"),
        enabled=enabled,
        dependencies=tuple(name for name in entry.get("dependencies", ()) if name is not None),
        profiles=tuple(name for name in entry.get("profiles", ()) if name is not None),
        env=as_variables(entry.get("env", {})),
        envfile=absolute(Path(entry["envfile"]), folder) if "envfile" in entry else None,
        supervision=layer_of(entry),
        telemetry=entry.get("telemetry"),
    )


def _autoloaded(
    root: Document,
    autoload: AutoloadConfig,
    mappings: Mapping[str, Any],
    *,
    production: bool,
    diagnostics: Diagnostics,
) -> Iterator[ServiceEntry]:
    folder = autoload.path
    if not os.path.isdir(folder):
        diagnostics.problem(root, ("autoload", "path"), f"there is no folder {folder}", "create it or correct the path")
        return
    names = sorted(child.name for child in folder.iterdir() if child.is_dir())
    for name in names:
        if is_autoloaded(name, autoload.exclude):
            key: KeyPath = ("autoload", "mappings", name) if name in mappings else ("autoload", "path")
            entry = {"id": name, **mappings.get(name, {}), "path": str(folder / name)}
            if ID.fullmatch(entry["id"]):
                yield _entry(entry, key, root.file.parent, production=production)
            else:
                message = f'the folder name "{name}" cannot be an id, which is {_ID_WORDS}'
                diagnostics.problem(root, key, message, f'add "mappings": {{"{name}": {{"id": "..."}}}} to autoload')
    for name in mappings:
        if name not in names:
            diagnostics.problem(
                root, ("autoload", "mappings", name), f"there is no folder {folder / name}", "correct the name"
            )


def _add(service: ServiceEntry, found: dict[str, ServiceEntry], root: Document, diagnostics: Diagnostics) -> None:
    other = found.get(service.id)
    if other is None:
        found[service.id] = service
        return
    diagnostics.problem(
        root,
        service.id_key,
        f'two services have the id "{service.id}": {other.path} and {service.path}',
        "give one of them another id",
    )
