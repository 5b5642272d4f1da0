"""Detects the type of a service: named in its file, or recognised by the keys there or by the files in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.discovery import type_name
from pywatt.errors import ConfigError, Problem
from pywatt.service_type import ServiceType, load_type, registered

OWN = frozenset({"control", "kafka-broker"})
"""Types of services that pywatt adds to an app itself."""


class InstalledTypes(Mapping[str, ServiceType]):
    """The service types of all installed packages, each imported on first use."""

    def __getitem__(self, name: str) -> ServiceType:
        """Return the type with that name. Raises KeyError, ConfigError."""
        try:
            return load_type(name)
        except (ImportError, AttributeError) as error:
            message = f'the service type "{name}" cannot be loaded: {error}'
            raise ConfigError([Problem(message=message, hint="install its package again")]) from error

    def __contains__(self, name: object) -> bool:
        """Return whether there is such a type, without importing it."""
        return name in registered()

    def __iter__(self) -> Iterator[str]:
        """Yield the names in alphabetical order."""
        return iter(sorted(registered()))

    def __len__(self) -> int:
        """Return the number of types."""
        return len(registered())


class UnknownTypeError(ValueError):
    """The type of a service cannot be detected; `key` is the key that names an unknown type, or empty."""

    def __init__(self, key: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.key = key
        self.message = message
        self.hint = hint


def detect_type(data: Mapping[str, Any], folder: Path, types: Mapping[str, ServiceType]) -> ServiceType:
    """Return the type of the service in a folder, whose own document is `data`. Raises UnknownTypeError."""
    key, name = type_name(data)
    if name:
        return _named(key, name, types)
    fitting = _fitting(data, types)
    if len(fitting) == 1:
        return types[fitting[0]]
    detected = [name for name in (fitting or types) if types[name].detect(folder)]
    if len(detected) == 1:
        return types[detected[0]]
    if detected or fitting:
        options = ", ".join(detected or fitting)
        raise UnknownTypeError("", f"could be any of {options}", f'say which: "type": "{(detected or fitting)[0]}"')
    known = ", ".join(name for name in types if name not in OWN)
    raise UnknownTypeError(
        "",
        "cannot tell what kind of service this is",
        "add app.py, main.py, asgi.py or wsgi.py with app, application, create_app or main in it,"
        f' or a config file with "type": one of {known}',
    )


def _named(key: str, name: str, types: Mapping[str, ServiceType]) -> ServiceType:
    short = name.rpartition("/")[2]
    for candidate in (name, short):
        if candidate in types:
            return types[candidate]
    for service_type in types.values():
        if {name, short} & set(service_type.aliases):
            return service_type
    raise UnknownTypeError(
        key,
        f'unknown service type "{name}"',
        suggest(short, [name for name in types if name not in OWN], kind="known types"),
    )


def _fitting(data: Mapping[str, Any], types: Mapping[str, ServiceType]) -> list[str]:
    """Return the types whose schemas have every key of the document that is not common to all types."""
    shared = pywatt_schemas.load("service")["properties"]
    own = {key for key in data if key not in shared}
    return [name for name in types if own <= set(types[name].schema.get("properties", ()))] if own else []
