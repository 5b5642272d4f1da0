"""Loads an app: the steps from its files to a frozen RuntimeConfig, and the validators of the result.

Problems of all files are collected and raised together. Nothing is written, and no code of a service is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import pywatt_schemas
from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.discovery import find_app
from pywatt.config.environment import app_env_file
from pywatt.config.model import RuntimeConfig
from pywatt.config.overrides import NO_OVERRIDES, Overrides, apply_overrides, select_profiles
from pywatt.config.schema.document_steps import expand_document, validate_document
from pywatt.config.services import validators
from pywatt.config.services.app_config import Draft, build, configure_services
from pywatt.config.services.entries import listed_ids, service_entries
from pywatt.config.services.service_config import LoadContext, load_service
from pywatt.config.services.single_service import app_part, check_is_app, service_part, single_entry
from pywatt.config.services.type_detection import InstalledTypes
from pywatt.config.settings import settings_of
from pywatt.service_type import ServiceType

Validator: TypeAlias = Callable[[Draft, Diagnostics], None]

VALIDATORS: tuple[Validator, ...] = (
    validators.check_requirements,
    validators.check_telemetry,
    validators.check_services,
    validators.check_supervision,
    validators.check_dependencies,
    validators.check_dependency_cycles,
    validators.check_probes,
    validators.check_health_probes,
    validators.check_loggers,
    validators.check_entrypoint,
    validators.check_https,
)
PREFLIGHT: tuple[Validator, ...] = (validators.check_programs_and_modules,)
"""Validators that look beyond the config files, for `pywatt validate`: a start reports missing programs by itself."""


def load(
    path: Path | None = None,
    *,
    cwd: Path,
    environ: Mapping[str, str],
    config: Path | None = None,
    env_file: Path | None = None,
    production: bool = True,
    types: Mapping[str, ServiceType] | None = None,
    overrides: Overrides = NO_OVERRIDES,
    preflight: bool = False,
) -> RuntimeConfig:
    """Return the configuration of the app in a folder or file. Raises ConfigError with every problem found.

    `config` names the root file, relative to the folder; `env_file` replaces the search for a `.env` and is relative to
    the working directory; `types` replaces the installed service types; `overrides` are the services and the port given
    on the command line; `preflight` also runs the validators of that name.
    """
    types = InstalledTypes() if types is None else types

    # Find the file, parse it, and read the variables.
    source = find_app(path, cwd=cwd, config=config)
    check_is_app(source, types)
    diagnostics = Diagnostics(source.folder)
    root = source.document if source.is_root else app_part(source.document)
    variables_file, dotenv = app_env_file(root, source.folder, cwd, environ, env_file)

    # Expand the root file's placeholders, coerce it to its schema's types and validate it.
    expansion = expand_document(root, {**dotenv, **environ}, diagnostics)
    data = validate_document(root, expansion, pywatt_schemas.load("runtime"), diagnostics)
    ids = listed_ids(data)
    data = diagnostics.sound(root, data)

    # List the services.
    if source.is_root:
        entries = service_entries(root, data, production=production, diagnostics=diagnostics)
        single = None
    else:
        entries = (single_entry(source),)
        single = service_part(source.document)
    entries = select_profiles(entries, overrides, root, diagnostics)

    # Load each service's own file through the same steps, and have its type configure it.
    context = LoadContext(
        root=root,
        folder=source.folder,
        settings=settings_of(data, root.file.parent, production=production),
        dotenv=dotenv,
        environ=environ,
        types=types,
        production=production,
    )
    services = [load_service(entry, context, diagnostics, single) for entry in entries if entry.enabled]
    loaded = tuple(service for service in services if service is not None)
    draft = configure_services(data, entries, ids, loaded, context, diagnostics)

    # Validate the whole, build the result, and apply the command line.
    for validate in (*VALIDATORS, *(PREFLIGHT if preflight else ())):
        validate(draft, diagnostics)
    app = build(draft, diagnostics)
    env_files = (variables_file, *(entry.envfile for entry in entries if entry.enabled))
    app = replace(app, env_file=variables_file, env_files=tuple(file for file in env_files if file is not None))
    return apply_overrides(app, overrides, {**dotenv, **environ} if not source.has_file else {})
