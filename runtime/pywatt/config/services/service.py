"""From one declared service to its frozen ServiceConfig: find its file, its environment, its type and its options."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.diagnostics import Findings
from pywatt.config.discovery import absolute, config_files
from pywatt.config.environment import ENV_FILE, read_env_file
from pywatt.config.files.document import Document, read_document
from pywatt.config.files.key_path import unspell
from pywatt.config.files.reading import is_there
from pywatt.config.model import LogLevel, ServiceConfig, WatchConfig
from pywatt.config.schema.steps import checked, expanded
from pywatt.config.services.entries import Declared
from pywatt.config.services.supervision import Layer, check, layer_of, supervision_of
from pywatt.config.services.type_detection import UnknownTypeError, choose_type
from pywatt.config.settings import Settings, log_level, watch_config
from pywatt.errors import ConfigError
from pywatt.mesh.table import MESH_SUFFIX
from pywatt.service_type import Configured, OptionsError, Placement, ServiceType

_OWN_URL = "_URL"
"""In a service's file, an unset variable that ends so is the service's own address. Original: the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """What all services of an app share while they are loaded."""

    root: Document
    folder: Path
    settings: Settings
    dotenv: Mapping[str, str]
    environ: Mapping[str, str]
    types: Mapping[str, ServiceType]
    production: bool

    def environment(self, files: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
        """Return a worker's environment; see `pywatt.config.environment` for the order."""
        return {**self.dotenv, **files, **self.environ, **self.settings.env, **env}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadService:
    """A service whose file was read and fits the schema of its type."""

    declared: Declared
    document: Document
    type: ServiceType
    own: Mapping[str, Any]
    """The part of its document that is for its type."""
    env: Mapping[str, str]
    log_level: LogLevel | None
    stderr_level: LogLevel | None
    watch: WatchConfig
    supervision: Layer


def read_service(
    declared: Declared, app: App, findings: Findings, single: Document | None = None
) -> ReadService | None:
    """Return the service, or None when a problem was found; `single` is its document when it is the whole app."""
    if not os.path.isdir(declared.path):  # unlike Path.is_dir, this takes a name that is none
        key = (*declared.key, "path")
        findings.problem(app.root, key, f"there is no folder {declared.path}", "create it or correct the path")
        return None
    try:
        document = single or _document(declared, app.root.file)
        files = _env_file(declared, app.root)
    except ConfigError as error:
        findings.add(error.problems)
        return None
    env = app.environment(files, declared.env)
    address = f"http://{declared.id}{MESH_SUFFIX}"

    def own_address(name: str) -> str | None:
        if not name.endswith(_OWN_URL):
            return None
        findings.warn(document, f"{name} is not set, {address} (the service itself) is used")
        return address

    expansion = expanded(document, env, findings, own_address)
    try:
        service_type = choose_type(expansion.data, declared.path, app.types)
    except UnknownTypeError as error:
        findings.problem(
            document, (error.key,) if error.key else (), f"service {declared.id}: {error.message}", error.hint
        )
        return None
    except ConfigError as error:
        findings.add(error.problems)
        return None
    schema = pywatt_schemas.service_file(service_type.schema)
    data = checked(document, expansion.data, schema, expansion.variables, findings)
    if findings.spoiled(document):
        return None
    own_keys = service_type.schema.get("properties", {})
    shared = pywatt_schemas.load("service")["properties"]
    supervision = layer_of({name: value for name, value in data.items() if name not in own_keys})
    check(supervision, document, (), findings)
    return ReadService(
        declared=declared,
        document=document,
        type=service_type,
        own={name: value for name, value in data.items() if name in own_keys or name not in shared},
        env=env,
        log_level=log_level(data),
        stderr_level=log_level(data, "stderrLevel"),
        watch=watch_config(data, app_wide=app.settings.watch),
        supervision=supervision,
    )


def configured(
    service: ReadService, app: App, ids: tuple[str, ...], left_out: frozenset[str], findings: Findings
) -> tuple[ServiceConfig, Configured] | None:
    """Return a service's finished configuration and what its type made of its document; None: a problem."""
    declared = service.declared
    placement = Placement(
        id=declared.id, path=declared.path, services=ids, left_out=left_out, production=app.production
    )
    try:
        made = service.type.configure(service.own, placement)
    except OptionsError as error:
        for problem in error.problems:
            findings.problem(
                service.document, unspell(problem.key, service.document.data), problem.message, problem.hint
            )
        return None
    for text in made.warnings:
        findings.warn(service.document, text)
    note_missing(made, service.document, findings)
    check(declared.supervision, app.root, declared.key, findings)
    layers = (app.settings.supervision, service.supervision, declared.supervision)
    kept = supervision_of(layers, production=app.production)
    config = ServiceConfig(
        id=declared.id,
        path=declared.path,
        file=service.document.file if service.document.file != declared.path else None,
        type=service.type.name,
        options=made.options,
        workers=kept.workers,
        env=service.env,
        dependencies=declared.dependencies,
        calls=tuple(name for name in made.calls if name in ids and name != declared.id),
        preload=(*service.type.preload, *made.preload),
        interpreter=made.interpreter,
        before_start=kept.before_start,
        build=made.build,
        http=made.http,
        restart=kept.restart,
        watchdog=kept.watchdog,
        max_memory=kept.max_memory,
        health=kept.health,
        probes=kept.probes,
        scaling=kept.scaling,
        shutdown=app.settings.shutdown.service,
        drain=app.settings.shutdown.drain,
        watch=service.watch,
        log_level=app.settings.log_level if service.log_level is None else service.log_level,
        stderr_level=app.settings.stderr_level if service.stderr_level is None else service.stderr_level,
    )
    return config, made


def note_missing(made: Configured, document: Document, findings: Findings) -> None:
    """Note what is not installed of what a service needs."""
    for one in made.requires:
        if find_spec(one.module) is not None:
            continue
        message = f"{one.needed_by} needs the package {one.package}, which is not installed"
        findings.problem(document, (), message, f"pip install 'pywatt[{one.extra}]'")


def _document(declared: Declared, root_file: Path) -> Document:
    """Return the service's own document, empty when it has no file. Raises ConfigError."""
    if declared.config is not None:
        return read_document(absolute(Path(declared.config), declared.path))
    for file in config_files(declared.path):
        if file != root_file:
            return read_document(file)
    return Document(file=declared.path, data={})


def _env_file(declared: Declared, root: Document) -> dict[str, str]:
    """Return the variables of the service's envfile, else of a `.env` in its folder. Raises ConfigError."""
    if declared.envfile is not None:
        return read_env_file(declared.envfile, root, (*declared.key, "envfile"))
    own = declared.path / ENV_FILE
    return read_env_file(own) if is_there(own) else {}
