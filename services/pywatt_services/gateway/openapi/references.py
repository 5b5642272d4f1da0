"""Copies parts of OpenAPI documents with other names of components and paths, and in the form of OpenAPI 3.1 (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, unquote

LITERAL = frozenset({"const", "default", "enum", "example", "value"})
"""Keywords whose values are data of the user's."""
NAMES = frozenset(
    {
        "$defs",
        "callbacks",
        "content",
        "definitions",
        "dependentSchemas",
        "encoding",
        "examples",
        "headers",
        "links",
        "patternProperties",
        "properties",
        "responses",
    }
)
"""Keywords whose values are objects with names of the user's, none of which is a keyword."""
COMPONENTS = "#/components/"
PATHS = "#/paths/"


def escape(name: str) -> str:
    """Return a name as a part of a reference (RFC 6901, in a URI)."""
    return quote(name.replace("~", "~0").replace("/", "~1"), safe="~!$&'()*+,;=:@")


def unescape(part: str) -> str:
    """Return the name that a part of a reference stands for."""
    return unquote(part).replace("~1", "/").replace("~0", "~")


def component_of(reference: str) -> tuple[str, str] | None:
    """Return the section and name of the component that a reference leads to."""
    if not reference.startswith(COMPONENTS):
        return None
    section, _, rest = reference.removeprefix(COMPONENTS).partition("/")
    return section, unescape(rest.partition("/")[0])


def references(value: Any) -> Iterator[str]:
    """Yield all references in a part of a document, those of discriminators included."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            mapping = value.get("mapping")
            if isinstance(mapping, dict):
                yield from (target for target in mapping.values() if isinstance(target, str))
            left += value.values()
        elif isinstance(value, list):
            left += value


class Rewriting:
    """Copies parts of one document."""

    def __init__(
        self,
        component: Callable[[str, str], str],
        path: Callable[[str], str | None],
        operation_id: Callable[[str], str],
        *,
        to_3_1: bool,
    ) -> None:
        """`component`: the new name for a section and a name. `path`: the public path; None: it has none.

        `to_3_1`: the document is of OpenAPI 3.0, and the copy is to be of 3.1.
        """
        self.component = component
        """The new name for a section and a name."""
        self._path = path
        self._operation_id = operation_id
        self._to_3_1 = to_3_1

    def copy(self, value: Any, *, names: bool = False) -> Any:
        """Return a copy. `names`: the keys of this object are names of the user's."""
        if isinstance(value, list):
            return [self.copy(item) for item in value]
        if not isinstance(value, dict):
            return value
        if names:
            return {key: self.copy(child) for key, child in value.items()}
        copied = {key: self._child(key, child) for key, child in value.items()}
        return _schema_of_3_1(copied) if self._to_3_1 else copied

    def reference(self, reference: str) -> str:
        """Return the new form of a reference."""
        for start in (COMPONENTS, PATHS):
            if reference.startswith(start):
                break
        else:
            return reference
        parts = reference.removeprefix(start).split("/")
        if start == PATHS:
            public = self._path(unescape(parts[0]))
            parts[0] = parts[0] if public is None else escape(public)
        elif len(parts) > 1:
            parts[1] = escape(self.component(parts[0], unescape(parts[1])))
        return start + "/".join(parts)

    def _child(self, key: str, child: Any) -> Any:
        if key in ("$ref", "operationRef") and isinstance(child, str):
            return self.reference(child)
        if key == "operationId" and isinstance(child, str):
            return self._operation_id(child)
        if key == "mapping" and isinstance(child, dict):
            return {name: self._mapped(target) for name, target in child.items()}
        if key in LITERAL or (key == "examples" and isinstance(child, list)):
            return child
        return self.copy(child, names=key in NAMES)

    def _mapped(self, target: Any) -> Any:
        """Return the new form of a discriminator's target, which may be the bare name of a schema."""
        if not isinstance(target, str):
            return target
        return self.reference(target) if "/" in target else self.component("schemas", target)


def _schema_of_3_1(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema object with what JSON Schema 2020-12 says otherwise than OpenAPI 3.0."""
    nullable = schema.pop("nullable") if isinstance(schema.get("nullable"), bool) else False
    if nullable and isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
        if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
    elif nullable and "type" not in schema:
        schema = {"anyOf": [schema, {"type": "null"}]}
    for key, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(schema.get(key), bool):
            exclusive = schema.pop(key)
            if exclusive and limit in schema:
                schema[key] = schema.pop(limit)
    return schema
