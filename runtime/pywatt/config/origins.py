"""Where each value of the configuration comes from: a line of a file, a variable, the command line, or a default.

Read from the files when somebody asks, so that a start pays nothing. Secrets are hidden.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.positions import key_lines_of
from pywatt.config.discovery import LISTS
from pywatt.config.environment import read_env_file
from pywatt.config.files.document import Document, read_document
from pywatt.config.files.key_path import KeyPath, format_key_path
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.schema.placeholders import expand
from pywatt.config.services.single_service import app_part, service_part
from pywatt.errors import ConfigError
from pywatt.redaction import hide
from pywatt.service_type import ServiceType

DEFAULT, ENVIRONMENT, ENV_FILE, FILE = "default", "environment", "env file", "file"
INHERITED = frozenset({"logger", "telemetry", "restart", "maxMemory", "watchdog", "probes", "watch", "workers"})
"""Keys of the root file that hold for all services, unless these have their own."""
RUNTIME = "runtime"
_DEEPEST = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A value, and where it comes from."""

    key: str
    value: Any
    source: str
    """One of the words above, or the option of the command line."""
    file: str = ""
    line: int = 0
    variables: tuple[str, ...] = ()
    """The variables that it was put together from, each with its source."""

    def to_json(self) -> dict[str, Any]:
        """Return it for the control API."""
        return {
            "key": self.key,
            "value": self.value,
            "source": self.source,
            "file": self.file,
            "line": self.line,
            "variables": list(self.variables),
        }


def origins(config: RuntimeConfig, environ: Mapping[str, str], types: Mapping[str, ServiceType]) -> dict[str, Any]:
    """Return the origins of the app's values and of those of each service, as JSON values.

    What a file says now is told, which a reload applies. A file that cannot be read is a problem in its place.
    """
    problems: list[str] = []
    source = _read(config, None, problems)
    single = any(service.file == config.file for service in config.services)
    root = app_part(source) if single and source.data else source
    env = {**_env_file(config, problems), **environ}
    app = _of_document(root, env, environ, pywatt_schemas.load("runtime"))
    app.update(_overridden(config))
    whole = _of_document(root, env, environ, {}) if root.data else {}
    services = {
        service.id: _of_service(service, config, root, whole, environ, types, problems, single=single)
        for service in config.services
        if not service.internal
    }
    return {
        "app": [each.to_json() for each in sorted(app.values(), key=lambda each: each.key)],
        "services": services,
        "problems": problems,
    }


def _of_service(
    service: ServiceConfig,
    config: RuntimeConfig,
    root: Document,
    whole: Mapping[KeyPath, Origin],
    environ: Mapping[str, str],
    types: Mapping[str, ServiceType],
    problems: list[str],
    *,
    single: bool,
) -> list[dict[str, Any]]:
    """Return its values: of its entry in the root file, else of its own file, else of the root file for all."""
    document = _read(config, service, problems)
    if single and document.data:
        document = service_part(document)
    try:
        schema = pywatt_schemas.service_file(types[service.type].schema)
    except (KeyError, ConfigError):
        schema = pywatt_schemas.load("service")
    found = _of_document(document, service.env, environ, schema)
    for key, each in whole.items():
        top = key[0]
        if top in INHERITED and (key not in found or found[key].source == DEFAULT):
            found[key] = each
        elif top in LISTS and len(key) > 2 and _is_entry(root, key, service):
            found[key[2:]] = replace(each, key=format_key_path(key[2:]))
    return [each.to_json() for each in sorted(found.values(), key=lambda each: each.key)]


def _is_entry(root: Document, key: KeyPath, service: ServiceConfig) -> bool:
    listed = root.data.get(str(key[0]))
    entry = listed[key[1]] if isinstance(listed, list) and isinstance(key[1], int) else None
    return isinstance(entry, dict) and entry.get("id") == service.id


def _overridden(config: RuntimeConfig) -> dict[KeyPath, Origin]:
    """Return the values that the command line, or a variable of its own, has replaced."""
    found: dict[KeyPath, Origin] = {}
    for name, option in config.overridden.items():
        key = tuple(name.split("."))
        value: Any = config
        for part in key:
            value = getattr(value, part)
        shown = value if isinstance(value, (str, int, float, bool)) else "set"
        found[key] = Origin(key=name, value=shown, source=option)
    return found


def _read(config: RuntimeConfig, service: ServiceConfig | None, problems: list[str]) -> Document:
    """Return the document of the app or of a service, an empty one if it has none or it cannot be read."""
    file = config.file if service is None else service.file
    if file is None or not file.is_file():
        return Document(file=file or config.root, data={})
    try:
        return read_document(file)
    except ConfigError as error:
        problems += [f"{problem.file}: {problem.message}" for problem in error.problems]
        return Document(file=file, data={})


def _env_file(config: RuntimeConfig, problems: list[str]) -> dict[str, str]:
    if config.env_file is None:
        return {}
    try:
        return read_env_file(config.env_file)
    except ConfigError as error:
        problems += [f"{problem.file}: {problem.message}" for problem in error.problems]
        return {}


def _of_document(
    document: Document, env: Mapping[str, str], environ: Mapping[str, str], schema: Mapping[str, Any]
) -> dict[KeyPath, Origin]:
    """Return the origins of what a document says, and of the defaults of its schema (pure)."""
    found = {
        key: Origin(key=format_key_path(key), value=value, source=DEFAULT)
        for key, value in _defaults(schema, schema, (), 0)
        if not _is_written(document.data, key)
    }
    lines = key_lines_of(document)
    expansion = expand(document.data, {**env, "PLT_ROOT": str(document.file.parent)}.get)
    for key, value in _leaves(hide(expansion.data), ()):
        names = expansion.variables.get(key, ())
        place = key
        while place and place not in lines:
            place = place[:-1]
        found[key] = Origin(
            key=format_key_path(key),
            value=value,
            source=FILE,
            file=str(document.file),
            line=lines.get(place, 0),
            variables=tuple(f"{name}: {_where(name, env, environ)}" for name in dict.fromkeys(names)),
        )
    return found


def _where(name: str, env: Mapping[str, str], environ: Mapping[str, str]) -> str:
    if environ.get(name) is not None:
        return ENVIRONMENT
    return ENV_FILE if name in env else DEFAULT


def _leaves(value: Any, key: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    children: Any = ()
    if isinstance(value, Mapping):
        children = value.items()
    elif isinstance(value, list) and any(isinstance(each, (dict, list)) for each in value):
        children = enumerate(value)
    if not children:
        if key and key[0] != "$schema":
            yield key, value
        return
    for name, child in children:
        yield from _leaves(child, (*key, name))


def _defaults(
    schema: Mapping[str, Any], whole: Mapping[str, Any], key: KeyPath, depth: int
) -> Iterator[tuple[KeyPath, Any]]:
    """Yield the defaults of a schema's properties; those of blocks that may be of several forms are left out."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        schema = {**whole.get("$defs", {}).get(name, {}), **{each: schema[each] for each in schema if each != "$ref"}}
    if schema.get(pywatt_schemas.SUPPORT) == pywatt_schemas.LATER or depth > _DEEPEST:
        return
    if "default" in schema and key:
        yield key, schema["default"]
        return
    for name, child in schema.get("properties", {}).items():
        if not key and name == RUNTIME:
            continue  # the same keys once more, for an app that is one service
        yield from _defaults(child, whole, (*key, name), depth + 1)


def _is_written(data: Any, key: KeyPath) -> bool:
    """Return whether a document has a key, or something else than an object above it."""
    for part in key:
        if not isinstance(data, Mapping):
            return True
        if part not in data:
            return False
        data = data[part]
    return True
