"""`{NAME}`, `{{NAME}}` and `{NAME:-default}` inside the strings of a document, replaced in one literal pass.

What a variable holds is never looked at again, so braces, `$` and backslashes in a value stay as they are. A default
counts when the variable is not set or empty, as in a shell. Digits alone (`{3}`) are no name: that is plain text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pywatt.config.key import Key

Lookup: TypeAlias = Callable[[str], str | None]
"""Gives the value of a variable, or None when it is not set."""

_INSIDE = r"([0-9]*[A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?"
_PLACEHOLDER = re.compile(rf"\{{\{{{_INSIDE}\}}\}}|\{{{_INSIDE}\}}")


def nothing(_: str) -> str | None:
    """Look up no variable."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A document after the pass."""

    data: Any
    variables: Mapping[Key, tuple[str, ...]]
    """Which variables each string was made of."""
    missing: tuple[tuple[Key, str], ...]
    """Names that are not set and have no default; their placeholders are still in `data`."""


def expand(data: Any, lookup: Lookup, fallback: Lookup = nothing) -> Expansion:
    """Return the document with the placeholders of all its strings replaced; names of keys stay as they are.

    `fallback` is asked last, for a name that is not set and has no default.
    """
    variables: dict[Key, tuple[str, ...]] = {}
    missing: list[tuple[Key, str]] = []

    def walk(value: Any, key: Key) -> Any:
        if isinstance(value, dict):
            return {name: walk(child, (*key, name)) for name, child in value.items()}
        if isinstance(value, list):
            return [walk(child, (*key, index)) for index, child in enumerate(value)]
        if not isinstance(value, str) or "{" not in value:
            return value
        text, used, unset = expand_text(value, lookup, fallback)
        if used:
            variables[key] = used
        missing.extend((key, name) for name in unset)
        return text

    return Expansion(data=walk(data, ()), variables=variables, missing=tuple(missing))


def expand_text(text: str, lookup: Lookup, fallback: Lookup = nothing) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """Return the text with its placeholders replaced, the names used, and the names that are not set."""
    used: list[str] = []
    unset: list[str] = []

    def replace(found: re.Match[str]) -> str:
        name, default = (found[1], found[2]) if found[1] else (found[3], found[4])
        value = lookup(name)
        used.append(name)
        if value or (value is not None and default is None):
            return value
        if default is not None:
            return str(default)
        last = fallback(name)
        if last is not None:
            return last
        unset.append(name)
        return found[0]

    return _PLACEHOLDER.sub(replace, text), tuple(dict.fromkeys(used)), tuple(dict.fromkeys(unset))
