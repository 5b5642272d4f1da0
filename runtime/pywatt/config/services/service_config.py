"""Loads one service: its own file, environment, type and options, as a frozen ServiceConfig."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.discovery import config_files
from pywatt.config.environment import ENV_FILE, read_env_file
from pywatt.config.files.document import Document, read_document
from pywatt.config.files.key_path import parse_key_path
from pywatt.config.files.reading import absolute, is_there
from pywatt.config.logger_settings import logger_config
from pywatt.config.metrics_model import counts_service, metrics_page
from pywatt.config.model import LogLevel, ServiceConfig, WatchConfig
from pywatt.config.schema.document_steps import expand_document, validate_document
from pywatt.config.services.entries import ServiceEntry
from pywatt.config.services.type_detection import UnknownTypeError, detect_type
from pywatt.config.settings import Settings, log_level, watch_config
from pywatt.config.supervision import Layer, layer_of, supervision_of
from pywatt.errors import ConfigError
from pywatt.mesh.table import MESH_SUFFIX
from pywatt.service_type import Configured, OptionsError, Placement, ServiceType
from pywatt.telemetry.package import preload_for
from pywatt.telemetry.settings import merged

NO_ROUTES: Mapping[str, str] = {}
_OWN_URL = "_URL"
"""Suffix of a variable that, unset in a service's file, is the service's own address. Original: the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadContext:
    """The parts of an app that all its services share while they are loaded."""

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
class LoadedService:
    """A service whose file was read and fits the schema of its type."""

    entry: ServiceEntry
    document: Document
    type: ServiceType
    own: Mapping[str, Any]
    """The part of its document that is for its type."""
    env: Mapping[str, str]
    log_level: LogLevel | None
    stderr_level: LogLevel | None
    logger: Mapping[str, Any]
    """Its block `logger`."""
    watch: WatchConfig
    supervision: Layer
    telemetry: Mapping[str, Any] | None = None
    """Its block `telemetry`; None: it has none."""
    metrics: bool | Mapping[str, Any] = True
    """Its block `metrics`."""
    plugins: Any = None
    """Its block `plugins`, unless that is a key of its type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredService:
    """A service with its finished configuration."""

    loaded: LoadedService
    config: ServiceConfig
    made: Configured
    """The result of its type."""


def load_service(
    entry: ServiceEntry, context: LoadContext, diagnostics: Diagnostics, single: Document | None = None
) -> LoadedService | None:
    """Return the service, or None after a problem; `single` is its document when it is the whole app."""
    if not os.path.isdir(entry.path):  # unlike Path.is_dir, this takes a name that is none
        key = (*entry.key, "path")
        diagnostics.problem(context.root, key, f"there is no folder {entry.path}", "create it or correct the path")
        return None
    try:
        document = single or _document(entry, context.root.file)
        files = _env_file(entry, context.root)
    except ConfigError as error:
        diagnostics.add(error.problems)
        return None
    env = context.environment(files, entry.env)
    address = f"http://{entry.id}{MESH_SUFFIX}"

    def own_address(name: str) -> str | None:
        if not name.endswith(_OWN_URL):
            return None
        diagnostics.warn(document, f"{name} is not set, {address} (the service itself) is used")
        return address

    expansion = expand_document(document, env, diagnostics, own_address)
    try:
        service_type = detect_type(expansion.data, entry.path, context.types)
    except UnknownTypeError as error:
        diagnostics.problem(
            document, (error.key,) if error.key else (), f"service {entry.id}: {error.message}", error.hint
        )
        return None
    except ConfigError as error:
        diagnostics.add(error.problems)
        return None
    schema = pywatt_schemas.service_file(service_type.schema)
    data = validate_document(document, expansion, schema, diagnostics)
    if diagnostics.spoiled(document):
        return None
    own_keys = service_type.schema.get("properties", {})
    shared = pywatt_schemas.load("service")["properties"]
    return LoadedService(
        entry=entry,
        document=document,
        type=service_type,
        own={name: value for name, value in data.items() if name in own_keys or name not in shared},
        env=env,
        log_level=log_level(data, custom=context.settings.logger.custom_levels),
        logger=data.get("logger", {}),
        stderr_level=log_level(data, "stderrLevel"),
        watch=watch_config(data, app_wide=context.settings.watch),
        supervision=layer_of({name: value for name, value in data.items() if name not in own_keys}),
        telemetry=data.get("telemetry"),
        metrics=data.get("metrics", True) if "metrics" not in own_keys else True,
        plugins=None if "plugins" in own_keys else data.get("plugins"),
    )


def configure_service(
    loaded: LoadedService,
    context: LoadContext,
    ids: tuple[str, ...],
    left_out: frozenset[str],
    diagnostics: Diagnostics,
    routes: Mapping[str, str] = NO_ROUTES,
) -> ConfiguredService | None:
    """Return the service with its configuration, or None after a problem; `ids` are those of all enabled services.

    `routes`: as in Placement.
    """
    entry = loaded.entry
    placement = Placement(
        id=entry.id,
        path=entry.path,
        services=ids,
        left_out=left_out,
        production=context.production,
        routes=routes,
    )
    try:
        made = loaded.type.configure(loaded.own, placement)
    except OptionsError as error:
        for problem in error.problems:
            key = parse_key_path(problem.key, loaded.document.data)
            diagnostics.problem(loaded.document, key, problem.message, problem.hint)
        return None
    for text in made.warnings:
        diagnostics.warn(loaded.document, text)
    settings = context.settings
    supervision = supervision_of(
        (settings.supervision, loaded.supervision, entry.supervision), production=context.production
    )
    telemetry = merged(settings.telemetry, loaded.telemetry, entry.telemetry, folder=context.folder)
    config = ServiceConfig(
        id=entry.id,
        path=entry.path,
        file=loaded.document.file if loaded.document.file != entry.path else None,
        type=loaded.type.name,
        options=made.options,
        workers=supervision.workers,
        env=loaded.env,
        dependencies=entry.dependencies,
        calls=tuple(name for name in made.calls if name in (*ids, *routes.values()) and name != entry.id),
        preload=(*loaded.type.preload, *made.preload, *preload_for(telemetry, loaded.env)),
        interpreter=made.interpreter,
        before_start=supervision.before_start,
        build=made.build,
        http=made.http,
        restart=supervision.restart,
        watchdog=supervision.watchdog,
        max_memory=supervision.max_memory,
        health=supervision.health,
        probes=supervision.probes,
        scaling=supervision.scaling,
        shutdown=settings.shutdown.service,
        drain=settings.shutdown.drain,
        watch=loaded.watch,
        metrics=settings.metrics is not None and counts_service(loaded.metrics),
        metrics_page=metrics_page(loaded.metrics, made.metrics_page),
        telemetry=telemetry,
        log_level=settings.log_level if loaded.log_level is None else loaded.log_level,
        stderr_level=settings.stderr_level if loaded.stderr_level is None else loaded.stderr_level,
        logger=logger_config(loaded.logger, entry.path, settings.logger) if loaded.logger else settings.logger,
    )
    return ConfiguredService(loaded=loaded, config=config, made=made)


def _document(entry: ServiceEntry, root_file: Path) -> Document:
    """Return the service's own document, empty when it has no file. Raises ConfigError."""
    if entry.config is not None:
        return read_document(absolute(Path(entry.config), entry.path))
    for file in config_files(entry.path):
        if file != root_file:
            return read_document(file)
    return Document(file=entry.path, data={})


def _env_file(entry: ServiceEntry, root: Document) -> dict[str, str]:
    """Return the variables of the service's envfile, else of a `.env` in its folder. Raises ConfigError."""
    if entry.envfile is not None:
        return read_env_file(entry.envfile, root, (*entry.key, "envfile"))
    own = entry.path / ENV_FILE
    return read_env_file(own) if is_there(own) else {}
