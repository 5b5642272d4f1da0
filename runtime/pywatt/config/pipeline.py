"""Loads an app: discover, parse, placeholders, validate, defaults, and out comes a frozen RuntimeConfig.

Problems of all files are gathered and raised together. Nothing is written, and no code of a service is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.diagnostics import Findings
from pywatt.config.discovery import Found, absolute, find_app
from pywatt.config.environment import nearest_env_file, read_env_file
from pywatt.config.files.document import Document
from pywatt.config.model import RuntimeConfig
from pywatt.config.overrides import EVERYTHING, Choice, chosen, in_profiles, unknown_profiles
from pywatt.config.schema.placeholders import expand_text
from pywatt.config.schema.steps import checked, expanded
from pywatt.config.services.build import assemble
from pywatt.config.services.entries import ID, Declared, declared_services, listed_ids
from pywatt.config.services.service import App, read_service
from pywatt.config.services.type_detection import InstalledTypes, UnknownTypeError, choose_type
from pywatt.config.settings import settings_of
from pywatt.errors import ConfigError, Problem
from pywatt.service_type import ServiceType

_SINGLE_ID = "main"
"""Id of a service that is the whole app, unless a package.json names it. Original: the same."""


def load(
    path: Path | None = None,
    *,
    cwd: Path,
    environ: Mapping[str, str],
    config: Path | None = None,
    env_file: Path | None = None,
    production: bool = True,
    types: Mapping[str, ServiceType] | None = None,
    choice: Choice = EVERYTHING,
) -> RuntimeConfig:
    """Return the configuration of the app in a folder or file. Raises ConfigError with every problem found.

    `config` names the root file, relative to the folder; `env_file` replaces the search for a `.env` and is relative to
    the working directory; `types` stands in for the installed service types; `choice` says which services are run, and
    on which port.
    """
    known = InstalledTypes() if types is None else types
    found = find_app(path, cwd=cwd, config=config)
    findings = Findings(found.folder)
    _check_recognisable(found, known)
    root = found.document if found.is_root else _app_part(found.document)
    variables_file, dotenv = _dotenv(root, found.folder, cwd, environ, env_file)
    expansion = expanded(root, {**dotenv, **environ}, findings)
    schema = pywatt_schemas.load("runtime")
    data = checked(root, expansion.data, schema, expansion.variables, findings)
    ids = listed_ids(data)
    data = findings.sound(root, data)
    if found.is_root:
        declared = declared_services(root, data, production=production, findings=findings)
    else:
        declared = (_single(found),)
    for text in unknown_profiles(declared, choice):
        findings.warn(root, text)
    declared = in_profiles(declared, choice)
    app = App(
        root=root,
        folder=found.folder,
        settings=settings_of(data),
        dotenv=dotenv,
        environ=environ,
        types=known,
        production=production,
    )
    single = None if found.is_root else _service_part(found.document)
    services = [read_service(service, app, findings, single) for service in declared if service.enabled]
    made = assemble(data, declared, ids, [service for service in services if service is not None], app, findings)
    env_files = (variables_file, *(service.envfile for service in declared if service.enabled))
    made = replace(made, env_files=tuple(file for file in env_files if file is not None))
    variables = {**dotenv, **environ} if not found.has_file else {}
    return chosen(made, choice, variables)


def _check_recognisable(found: Found, types: Mapping[str, ServiceType]) -> None:
    """Raise ConfigError for a folder that has no config file and is not obviously a service."""
    if found.is_root or found.document.file != found.folder:
        return
    try:
        choose_type({}, found.folder, types)
    except UnknownTypeError as error:
        problem = Problem(
            message="there is no watt.json or platformatic.json here or in a folder above, and this is no service",
            file=str(found.folder),
            hint=f"make an app with `pywatt create`, or {error.hint}",
        )
        raise ConfigError([problem]) from error


def _app_part(document: Document) -> Document:
    """Return the part of a single service's document that is about the app. Original: `server` and `runtime`."""
    data: dict[str, Any] = {name: document.data[name] for name in ("logger", "runtime") if name in document.data}
    server = document.data.get("server")
    if isinstance(server, dict):
        data["server"] = {name: value for name, value in server.items() if name in _server_keys()}
    elif server is not None:
        data["server"] = server
    return replace(document, data=data)


def _service_part(document: Document) -> Document:
    """Return the rest of a single service's document."""
    data = {name: value for name, value in document.data.items() if name not in {"runtime", "server"}}
    server = document.data.get("server")
    rest = (
        {name: value for name, value in server.items() if name not in _server_keys()}
        if isinstance(server, dict)
        else {}
    )
    return replace(document, data={**data, "server": rest} if rest else data)


def _server_keys() -> frozenset[str]:
    return frozenset(pywatt_schemas.load("runtime")["properties"]["server"]["properties"])


def _single(found: Found) -> Declared:
    """Return the service that is the whole app."""
    return Declared(id=_package_name(found.folder) or _SINGLE_ID, key=(), path=found.folder, env={})


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


def _dotenv(
    root: Document, folder: Path, cwd: Path, environ: Mapping[str, str], env_file: Path | None
) -> tuple[Path | None, dict[str, str]]:
    """Return the app's env file and its variables. Raises ConfigError, also when a file that was named is missing."""
    if env_file is not None:
        return absolute(env_file, cwd), read_env_file(absolute(env_file, cwd))
    block = root.data.get("runtime")
    for key, holder in ((("envfile",), root.data), (("runtime", "envfile"), block)):
        named = holder.get("envfile") if isinstance(holder, dict) else None
        if isinstance(named, str):
            file = absolute(Path(expand_text(named, environ.get)[0]), folder)
            return file, read_env_file(file, root, key)
    nearest = nearest_env_file(folder, cwd)
    return nearest, read_env_file(nearest) if nearest else {}
