"""Finds the config file of an app, as the original does: in the folder or above it, never writing one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.hints import closest_match
from pywatt.config.files.document import Document, read_document
from pywatt.config.files.formats import FORMATS
from pywatt.config.files.reading import absolute, is_there
from pywatt.errors import ConfigError, Problem

STEMS = ("watt", "platformatic")
SUFFIXES = ("runtime", "service", "application", "db", "gateway", "composer")
FILE_NAMES = (
    *(f"{stem}.{extension}" for extension in FORMATS for stem in STEMS),
    *(f"{stem}.{suffix}.{extension}" for suffix in SUFFIXES for extension in FORMATS for stem in STEMS),
)
"""Names of config files, in search order."""

LISTS = ("web", "services", "applications")
"""Names of the list of services."""
ROOT_KEYS = (*LISTS, "autoload")
"""Keys that make a file a root file."""
_ROOT_TYPES = frozenset({"runtime", "wattpm", "@platformatic/runtime"})

MISSPELT = 0.8
"""Minimum similarity, from 0 to 1, of a key and one of ROOT_KEYS for the key to count as a misspelling."""

_SCHEMA_URL = re.compile(
    r"""https?://(?:schemas\.)?platformatic\.dev/(?:
          schemas/v[^/]+/(?P<legacy>[\w-]+)       # platformatic.dev/schemas/v1.0.0/composer
        | (?P<scoped>@[\w-]+/[\w-]+)/[^/]+\.json  # schemas.platformatic.dev/@platformatic/gateway/3.0.0.json
        | (?P<plain>[\w-]+)/[^/]+\.json           # schemas.platformatic.dev/wattpm/3.0.0.json
    )$""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSource:
    """The document that configures an app."""

    document: Document
    """The root document; for a folder without a config file an empty one whose `file` is the folder."""
    folder: Path
    is_root: bool
    """False: it describes a single service, which then is the whole app."""
    has_file: bool = True


def find_app(path: Path | None, *, cwd: Path, config: Path | None) -> AppSource:
    """Return the root file for a folder (or the file itself), else the single service there. Raises ConfigError."""
    start = absolute(path or Path(), cwd)
    if config is not None:
        return _found(read_document(_named_file(config, start if start.is_dir() else start.parent, cwd)))
    if is_there(start):
        return _found(read_document(start))
    if not start.is_dir():
        raise ConfigError([Problem(message="there is no such folder or file", file=str(start))])
    own: Document | None = None
    for folder in (start, *start.parents):
        for file in config_files(folder):
            document = read_document(file)
            if is_root(document.data):
                return _found(document)
            if own is None and folder == start:
                own = document
    if own is not None:
        return _found(own)
    return AppSource(document=Document(file=start, data={}), folder=start, is_root=False, has_file=False)


def config_files(folder: Path) -> Iterator[Path]:
    """Yield the config files in a folder, first choice first."""
    return (folder / name for name in FILE_NAMES if is_there(folder / name))


def type_name(data: Mapping[str, Any]) -> tuple[str, str]:
    """Return the key that names the service type (`type`, `module` or `$schema`) and the name, or two empty texts."""
    for key in ("type", "module"):
        value = data.get(key)
        if isinstance(value, str) and value:
            scope, _, name = value.rpartition("/")
            return key, f"{scope}/{name.partition('@')[0]}" if scope else (value.partition("@")[0] or value)
    schema = data.get("$schema")
    found = _SCHEMA_URL.match(schema) if isinstance(schema, str) else None
    return ("$schema", found["scoped"] or found["plain"] or found["legacy"]) if found else ("", "")


def is_root(data: Mapping[str, Any]) -> bool:
    """Return whether a document describes an app rather than one service."""
    _, name = type_name(data)
    if name:
        return name in _ROOT_TYPES
    if any(key in data for key in ROOT_KEYS):
        return True
    # `entrypoint` or a misspelt list make it a root file with a mistake in it, which should be reported as such
    own = [key for key in data if key not in pywatt_schemas.load("service")["properties"]]
    return "entrypoint" in own or any(closest_match(key, ROOT_KEYS, likeness=MISSPELT) for key in own)


def _found(document: Document) -> AppSource:
    return AppSource(document=document, folder=document.file.parent, is_root=is_root(document.data))


def _named_file(config: Path, folder: Path, cwd: Path) -> Path:
    for base in (folder, cwd):
        file = absolute(config, base)
        if is_there(file):
            return file
    raise ConfigError([Problem(message="there is no such file", file=str(absolute(config, folder)))])
