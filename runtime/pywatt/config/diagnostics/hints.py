"""Words the `fix:` line of an error: the name the user probably meant, the value a schema allows (pure)."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

LIKENESS = 0.6
"""Minimum similarity of two words, from 0 to 1, to suggest one for the other."""

_MOST_LISTED = 12
_MISSPELT_PLURAL = re.compile(r"(?<=[^aeiou])ys\Z")
"""Plurals such as "retrys": by similarity alone, the singular would be suggested."""
_NUMBERS = {"integer": "a whole number", "number": "a number"}
_MILLISECONDS = "Milliseconds"
"""First word of the description of a duration."""


def suggest(word: str, known: Iterable[str], *, kind: str, always_list: bool = False) -> str:
    """Return a hint that suggests the closest known word, or else lists the known words (of many, the closest)."""
    names = sorted(known, key=lambda name: -_likeness(word, name))
    if not names:
        return ""
    near = closest_match(word, names)
    question = f'did you mean "{near}"?' if near is not None else ""
    listed = f"{kind}: {', '.join(sorted(names[:_MOST_LISTED]))}{', ...' if len(names) > _MOST_LISTED else ''}"
    if not question:
        return listed
    return f"{question} {listed}" if always_list else question


def closest_match(word: str, known: Iterable[str], *, likeness: float = LIKENESS) -> str | None:
    """Return the known word most similar to this one, or None if none has the similarity `likeness` (0 to 1)."""
    by_lower = {name.lower(): name for name in known}
    plural = _MISSPELT_PLURAL.sub("ies", word.lower())
    if plural in by_lower:
        return by_lower[plural]
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[found[0]] if found else None


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio()


def value_hint(schema: Mapping[str, Any], keyword: object, expected: str) -> str:
    """Return how to correct a value that breaks the rule `keyword`; `expected` describes the allowed values."""
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


def missing_key_hint(schema: Mapping[str, Any], name: str) -> str:
    """Return how to add a required key that an object lacks."""
    described = str(schema.get("properties", {}).get(name, {}).get("description", "")).partition(". ")[0].rstrip(".")
    if described[1:2].islower():
        described = described[:1].lower() + described[1:]
    return f'add "{name}": {described}' if described else f'add "{name}"'


def _number(schema: Mapping[str, Any]) -> str:
    """Return the kind, unit and limits of a number, or an empty text if the schema allows other types too."""
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _NUMBERS:
        return ""
    unit = " of milliseconds" if str(schema.get("description", "")).startswith(_MILLISECONDS) else ""
    least, most, above = (schema.get(limit) for limit in ("minimum", "maximum", "exclusiveMinimum"))
    if above is not None:
        return f"{_NUMBERS[kind]}{unit}, more than {above}" + (f" and at most {most}" if most is not None else "")
    if least is not None and most is not None:
        return f"{_NUMBERS[kind]}{unit} from {least} to {most}"
    limits = f", at least {least}" if least is not None else f", at most {most}" if most is not None else ""
    return f"{_NUMBERS[kind]}{unit}{limits}"


def _default(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return ""
    return f"; or leave it out: the default is {json.dumps(schema['default'], ensure_ascii=False)}"
