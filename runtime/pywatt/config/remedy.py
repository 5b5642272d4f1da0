"""What to write instead of a value that does not fit its schema, in words (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

NUMBERS = {"integer": "a whole number", "number": "a number"}
MILLISECONDS = "Milliseconds"
"""How the description of a duration begins."""


def remedy(schema: Mapping[str, Any], keyword: object, expected: str) -> str:
    """Return what to do about a value that breaks the rule `keyword`; `expected`: what the schema allows, in words."""
    match keyword:
        case "minLength":
            what = "fill it in"
        case "minItems":
            what = "add what is missing"
        case "uniqueItems":
            what = "remove what is there twice"
        case "enum" if len(schema["enum"]) > 1:
            what = "write one of them"
        case "pattern" if expected.startswith("text of the form"):
            return str(schema.get("description", ""))
        case _:
            what = f"write {_number(schema) or expected}"
    return what + _default(schema)


def _number(schema: Mapping[str, Any]) -> str:
    """Return the kind, unit and limits of a number; nothing when the schema is for something else too."""
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in NUMBERS:
        return ""
    unit = " of milliseconds" if str(schema.get("description", "")).startswith(MILLISECONDS) else ""
    least, most, above = (schema.get(limit) for limit in ("minimum", "maximum", "exclusiveMinimum"))
    if above is not None:
        return f"{NUMBERS[kind]}{unit}, more than {above}" + (f" and at most {most}" if most is not None else "")
    if least is not None and most is not None:
        return f"{NUMBERS[kind]}{unit} from {least} to {most}"
    limits = f", at least {least}" if least is not None else f", at most {most}" if most is not None else ""
    return f"{NUMBERS[kind]}{unit}{limits}"


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return ""
    return f"; or leave it out: the default is {json.dumps(schema['default'], ensure_ascii=False)}"
