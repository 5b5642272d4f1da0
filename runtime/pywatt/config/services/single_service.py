"""An app that is a single service: its one document configures the app and the service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.discovery import AppSource
from pywatt.config.files.document import Document
from pywatt.config.services.entries import ID, ServiceEntry
from pywatt.config.services.type_detection import UnknownTypeError, detect_type
from pywatt.errors import ConfigError, Problem
from pywatt.service_type import ServiceType

_ID = "main"
"""Default id of the service; a package.json may name it. Original: the same."""


def check_is_app(source: AppSource, types: Mapping[str, ServiceType]) -> None:
    """Raise ConfigError for a folder that has no config file and is not recognisable as a service."""
    if source.is_root or source.document.file != source.folder:
        return
    try:
        detect_type({}, source.folder, types)
    except UnknownTypeError as error:
        problem = Problem(
            message="there is no watt.json or platformatic.json here or in a folder above, and this is no service",
            file=str(source.folder),
            hint=f"make an app with `pywatt create`, or {error.hint}",
        )
        raise ConfigError([problem]) from error


def app_part(document: Document) -> Document:
    """Return the part of the document that configures the app. Original: `server` and `runtime`."""
    data: dict[str, Any] = {name: document.data[name] for name in ("logger", "runtime") if name in document.data}
    server = document.data.get("server")
    if isinstance(server, dict):
        data["server"] = {name: value for name, value in server.items() if name in _server_keys()}
    elif server is not None:
        data["server"] = server
    return replace(document, data=data)


def service_part(document: Document) -> Document:
    """Return the part of the document that configures the service."""
    data = {name: value for name, value in document.data.items() if name not in {"runtime", "server"}}
    server = document.data.get("server")
    rest = (
        {name: value for name, value in server.items() if name not in _server_keys()}
        if isinstance(server, dict)
        else {}
    )
    return replace(document, data={**data, "server": rest} if rest else data)


def single_entry(source: AppSource) -> ServiceEntry:
    """Return the entry of the service."""
    return ServiceEntry(id=_package_name(source.folder) or _ID, key=(), path=source.folder, env={})


def _server_keys() -> frozenset[str]:
    return frozenset(pywatt_schemas.load("runtime")["properties"]["server"]["properties"])


def _package_name(folder: Path) -> str | None:
    """Return the name in a package.json without its scope, if it can be an id."""
    try:
        package: Any = json.loads((folder / "package.json").read_bytes())
    except (OSError, ValueError):
        # not a Node package, or a broken one: either way it does not name this service
        return None
    name = package.get("name") if isinstance(package, dict) else None
    short = name.rpartition("/")[2] if isinstance(name, str) else ""
    return short if ID.fullmatch(short) else None
