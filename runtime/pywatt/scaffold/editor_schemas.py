"""Writes the schemas for editors: in a folder of the app, with placeholders allowed as in the loader."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pywatt_schemas
from pywatt.service_type import load_type

FOLDER = Path(".pywatt") / "schemas"
ROOT_SCHEMA = "watt"
_PLACEHOLDER = {"type": "string", "pattern": r"\{[A-Za-z0-9_]+(:?[-?+][^}]*)?\}", "description": "A variable."}
_SCALARS = frozenset({"integer", "number", "boolean"})
_RESTRICTED = frozenset({"const", "enum", "pattern", pywatt_schemas.SPLIT})
_NAMED_SCHEMAS = ("properties", "$defs", "patternProperties")
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "not", "if", "then", "else")


def schema_file(name: str) -> tuple[Path, str]:
    """Return the path in an app and the text of the schema of the root file (`watt`) or of a service type."""
    if name == ROOT_SCHEMA:
        schema = pywatt_schemas.load("runtime")
    else:
        schema = pywatt_schemas.service_file(load_type(name).schema)
    return FOLDER / f"{name}.json", json.dumps(for_editors(schema), indent=2, ensure_ascii=False) + "\n"


def for_editors(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with `{NAME}` allowed in place of numbers, booleans, enumerations, patterns and lists."""
    made: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _NAMED_SCHEMAS:
            made[key] = {name: _for_editors(inner) for name, inner in value.items()}
        elif key in _SCHEMA_LISTS:
            made[key] = [_for_editors(inner) for inner in value]
        else:
            made[key] = _for_editors(value) if key in _SCHEMAS else value
    kinds = made.get("type", [])
    scalar = not _SCALARS.isdisjoint([kinds] if isinstance(kinds, str) else kinds)
    if scalar or not _RESTRICTED.isdisjoint(made):
        shown: dict[str, Any] = {key: made.pop(key) for key in ("title", "description", "default") if key in made}
        return {**shown, "anyOf": [made, _PLACEHOLDER]}
    return made


def _for_editors(schema: Any) -> Any:
    return for_editors(schema) if isinstance(schema, dict) else schema
