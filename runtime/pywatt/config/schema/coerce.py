"""Coerces the values of a document to the types of its schema, before validation.

Placeholders can only give strings, so a string becomes the number or boolean that the schema asks for, as in the
original, and a list marked `x-pywatt-split` is split. What does not fit is left for the validator to report.
Also reports which keys are there that a later version will support.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pywatt.config.files.key_path import KeyPath
from pywatt_schemas import LATER, REASON, SPLIT, SUPPORT

Schema: TypeAlias = Mapping[str, Any]

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Coerced:
    """A document with coerced values."""

    data: Any
    later: Mapping[KeyPath, str]
    """Keys that are accepted but do nothing, with the reason; without one, a later version will support them."""


def coerce(data: Any, schema: Schema) -> Coerced:
    """Return the document with strings converted to the types of the schema where possible."""
    later: dict[KeyPath, str] = {}

    def walk(value: Any, own: Schema | bool, key: KeyPath) -> Any:
        branches = list(_branches(own, schema))
        if any(branch.get(SUPPORT) == LATER for branch in branches):
            later[key] = next((str(branch[REASON]) for branch in branches if REASON in branch), "")
            return value
        separator = next((branch[SPLIT] for branch in branches if SPLIT in branch), None)
        if separator is not None:
            value = _split(value, separator)
        if isinstance(value, dict):
            return {name: walk(child, _property(branches, name), (*key, name)) for name, child in value.items()}
        if isinstance(value, list):
            items = next((branch["items"] for branch in branches if "items" in branch), True)
            return [walk(child, items, (*key, index)) for index, child in enumerate(value)]
        return _coerce(value, branches) if isinstance(value, (str, float)) else value

    return Coerced(data=walk(data, schema, ()), later=later)


def _branches(own: Schema | bool, schema: Schema) -> Iterator[Schema]:
    """Yield a schema, the schemas that it refers to, and its alternatives."""
    if isinstance(own, bool):
        return
    yield own
    if str(own.get("$ref", "")).startswith("#"):
        yield from _branches(_resolve(own["$ref"], schema), schema)
    if "then" in own:
        yield from _branches(own["then"], schema)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for branch in own.get(keyword, ()):
            yield from _branches(branch, schema)


def _resolve(reference: str, schema: Schema) -> Schema:
    target: Any = schema
    for part in reference.removeprefix("#").strip("/").split("/"):
        if part:
            target = target[part]
    resolved: Schema = target
    return resolved


def _property(branches: list[Schema], name: str) -> Schema | bool:
    for branch in branches:
        if name in branch.get("properties", ()):
            found: Schema | bool = branch["properties"][name]
            return found
    for branch in branches:
        if isinstance(branch.get("additionalProperties"), dict):
            rest: Schema = branch["additionalProperties"]
            return rest
    return True


def _split(value: Any, separator: str) -> Any:
    """Return a list with each of its strings split; a single string counts as a list of one."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list):
        return value
    parts: list[Any] = []
    for item in value:
        parts.extend(_cut(item, separator) if isinstance(item, str) and separator in item else [item])
    return parts


def _cut(text: str, separator: str) -> list[str]:
    return [part for part in (piece.strip() for piece in text.split(separator)) if part]


def _coerce(value: str | float, branches: list[Schema]) -> Any:
    types = {name for branch in branches for name in _types(branch)}
    if isinstance(value, str):
        return _coerce_text(value, types, branches)
    # JSON Schema counts 8080.0 as an integer, Python's sockets do not
    whole = "integer" in types and "number" not in types and float(value).is_integer()
    return int(value) if whole else value


def _coerce_text(text: str, types: set[str], branches: list[Schema]) -> Any:
    bare = text.strip()
    if "string" in types or any(text in branch.get("enum", ()) for branch in branches):
        return text
    if types & {"integer", "number"} and _INTEGER.fullmatch(bare):
        return int(bare)
    if "number" in types and _NUMBER.fullmatch(bare):
        return float(bare)
    return _BOOLEANS.get(bare.lower(), text) if "boolean" in types else text


def _types(branch: Schema) -> tuple[str, ...]:
    names = branch.get("type", ())
    if "const" in branch and isinstance(branch["const"], bool):
        return ("boolean",)
    return (names,) if isinstance(names, str) else tuple(names)
