"""Reads the OpenAPI document of a service, and says what is wrong with it (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from pywatt_services.gateway.openapi.options import METHODS

MOST_NODES = 500_000
"""Values that a document may have: a YAML document can multiply some by naming them again and again."""
MOST_DEPTH = 100


class UnusableDocument(Exception):
    """A document cannot be a part of the composed one; the message says why."""


@dataclass(slots=True)
class ApiDocument:
    """A document whose parts have the types that they need to have."""

    is_3_0: bool
    paths: dict[str, dict[str, Any]]
    webhooks: dict[str, dict[str, Any]]
    components: dict[str, dict[str, Any]]
    """By section, then by name."""
    tags: list[dict[str, Any]]
    security: list[dict[str, Any]] | None
    base: str
    """The path of its first server, below which its paths are."""

    def operations(self) -> list[dict[str, Any]]:
        """Return all operations."""
        items = [*self.paths.values(), *self.webhooks.values()]
        return [item[method] for item in items for method in METHODS if method in item]


def read_document(data: bytes) -> ApiDocument:
    """Read JSON or YAML. Raises UnusableDocument."""
    document = _parse(data)
    if not isinstance(document, dict):
        raise UnusableDocument("it is not an object")
    _measure(document)
    version = document.get("openapi")
    if "swagger" in document:
        raise UnusableDocument(
            "it is of Swagger 2.0, not of OpenAPI 3: convert it (npx swagger2openapi) and name it by file"
        )
    if not isinstance(version, str) or not version.startswith(("3.0.", "3.1.")):
        raise UnusableDocument(f"its version is {version!r}; known are 3.0 and 3.1")
    security = document.get("security")
    read = ApiDocument(
        is_3_0=version.startswith("3.0"),
        paths=_items(_map(document, "paths")),
        webhooks=_items(_map(document, "webhooks")),
        components={
            name: _map(_map(document, "components"), name)
            for name, section in _map(document, "components").items()
            if not name.startswith("x-")
        },
        tags=[tag for tag in _list(document, "tags") if isinstance(tag, dict) and isinstance(tag.get("name"), str)],
        security=None if security is None else _objects(security, "security"),
        base=_base(_list(document, "servers")),
    )
    for operation in read.operations():
        for key in ("security", "tags"):
            if key in operation and not isinstance(operation[key], list):
                raise UnusableDocument(f"{key} of an operation is not a list")
        _objects(operation.get("security", []), "security of an operation")
        if not isinstance(operation.get("operationId", ""), str):
            raise UnusableDocument("an operationId is not a text")
    return read


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except RecursionError:
        raise UnusableDocument("it is nested too deeply") from None
    except ValueError as error:
        if data.lstrip()[:1] in (b"{", b"[", b"<"):
            raise UnusableDocument(f"it is not valid JSON: {error}") from None
    try:
        # Through JSON, whose values are those that a composed document can have: no dates, no keys but texts.
        loaded = yaml.load(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - a safe loader
        _measure(loaded)
        return json.loads(json.dumps(loaded, default=str))
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UnusableDocument(f"it is neither JSON nor YAML: {reason}") from None


def _measure(document: Any) -> None:
    """Refuse a document that is too large or too deep to be worked upon."""
    nodes = 0
    left = [(document, 1)]
    while left:
        value, depth = left.pop()
        children = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()
        nodes += 1 + len(children)
        if depth > MOST_DEPTH:
            raise UnusableDocument("it is nested too deeply")
        if nodes > MOST_NODES:
            raise UnusableDocument(f"it has more than {MOST_NODES} values")
        left += [(child, depth + 1) for child in children if isinstance(child, (dict, list))]


def _map(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = document.get(key, {})
    if not isinstance(value, dict):
        raise UnusableDocument(f"{key} is not an object")
    return value


def _list(document: Mapping[str, Any], key: str) -> list[Any]:
    value = document.get(key, [])
    if not isinstance(value, list):
        raise UnusableDocument(f"{key} is not a list")
    return value


def _objects(value: Any, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise UnusableDocument(f"{what} is not a list of objects")
    return value


def _items(paths: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return path items whose operations are objects."""
    found = {}
    for path, item in paths.items():
        if path.startswith("x-"):
            continue
        if not isinstance(item, dict) or not all(
            isinstance(item[method], dict) for method in METHODS if method in item
        ):
            raise UnusableDocument(f"the path item of {path[:80]} is not an object of operations")
        found[path] = item
    return found


def _base(servers: list[Any]) -> str:
    """Return the path of the first server; its variables have their defaults."""
    server = servers[0] if servers and isinstance(servers[0], dict) else {}
    url = server.get("url", "")
    variables = server.get("variables", {})
    if not isinstance(url, str):
        return ""
    for name, variable in variables.items() if isinstance(variables, dict) else ():
        if isinstance(variable, dict):
            url = url.replace(f"{{{name}}}", str(variable.get("default", "")))
    try:
        return urlsplit(url).path.rstrip("/")
    except ValueError:
        return ""
