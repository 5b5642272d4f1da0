r"""Replaces `{NAME}` and `{NAME:-default}` inside the strings of a document in one literal pass.

`{{NAME}}` means the same, as in the original, and so does `${NAME}`, as in Docker Compose, whose further forms are
known behind a `$`: `${NAME-default}`, `${NAME:?message}`, `${NAME?message}`, `${NAME:+text}` and `${NAME+text}`. A
default may hold placeholders.

What a variable holds is never looked at again, so braces, `$` and backslashes in a value stay as they are. A default
counts when the variable is not set or empty, as in a shell. Digits alone (`{3}`) are no name, and neither is code
(`{print $1}`): that is plain text. `\{NAME}` and `$${NAME}` are `{NAME}` and `${NAME}` themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pywatt.config.files.key_path import KeyPath

Lookup: TypeAlias = Callable[[str], str | None]
"""Returns the value of a variable, or None if it is not set."""

_START = re.compile(
    r"(?P<slashes>\\*)(?P<dollars>\$*)(?P<open>\{\{?)(?P<name>[0-9]*[A-Za-z_][A-Za-z0-9_]*)(?P<operator>:?[-?+])?"
)
_BRACE = re.compile(r"[{}]")
_DEEPEST = 32
"""Limit of nested defaults, beyond which braces are plain text."""


def nothing(_: str) -> str | None:
    """Return None for every variable."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unset:
    """A placeholder without a default whose variable is not set."""

    name: str
    written: str
    """The placeholder, such as `${NAME:?message}`."""
    message: str = ""
    """The message of `${NAME:?message}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placeholder:
    """A placeholder in a text."""

    start: int
    """Offset of the placeholder, with its `$`."""
    end: int
    name: str
    operator: str
    """The operator, such as `:-`; empty: none."""
    operand: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A document with its placeholders replaced."""

    data: Any
    variables: Mapping[KeyPath, tuple[str, ...]]
    """The variables used in each string, by its key path."""
    missing: tuple[tuple[KeyPath, Unset], ...]
    """Placeholders without value and default; they are still in `data`."""


def expand(data: Any, lookup: Lookup, fallback: Lookup = nothing) -> Expansion:
    """Return the document with the placeholders of all its strings replaced; names of keys stay as they are.

    `fallback` is asked last, for a name that is not set and has no default.
    """
    variables: dict[KeyPath, tuple[str, ...]] = {}
    missing: list[tuple[KeyPath, Unset]] = []

    def walk(value: Any, key: KeyPath) -> Any:
        if isinstance(value, dict):
            return {name: walk(child, (*key, name)) for name, child in value.items()}
        if isinstance(value, list):
            return [walk(child, (*key, index)) for index, child in enumerate(value)]
        if not isinstance(value, str) or "{" not in value:
            return value
        text, used, unset = expand_text(value, lookup, fallback)
        if used:
            variables[key] = used
        missing.extend((key, one) for one in unset)
        return text

    return Expansion(data=walk(data, ()), variables=variables, missing=tuple(missing))


def expand_text(
    text: str, lookup: Lookup, fallback: Lookup = nothing
) -> tuple[str, tuple[str, ...], tuple[Unset, ...]]:
    """Return the text with its placeholders replaced, the variables used, and the placeholders without a value."""
    used: list[str] = []
    unset: dict[str, Unset] = {}

    def replace(found: _Placeholder, written: str, depth: int) -> str:
        value = lookup(found.name)
        used.append(found.name)
        counts = value is not None if not found.operator.startswith(":") else bool(value)
        match found.operator[-1:]:
            case "+":
                return walk(found.operand, depth) if counts else ""
            case "-" if not counts:
                return walk(found.operand, depth)
            case "?" if not counts:
                pass
            case _ if value is not None:
                return value
            case _:
                last = fallback(found.name)
                if last is not None:
                    return last
        message = found.operand if found.operator.endswith("?") else ""
        unset.setdefault(found.name, Unset(name=found.name, written=written, message=message))
        return written

    def walk(part: str, depth: int) -> str:
        made, position = "", 0
        while depth <= _DEEPEST:
            start = _START.search(part, position)
            if start is None:
                break
            found = _placeholder(part, start)
            if found is None:
                made += part[position : start.start("open") + 1]
                position = start.start("open") + 1
                continue
            slashes, dollars = len(start["slashes"]), len(start["dollars"])
            made += part[position : start.start()] + "\\" * (slashes // 2)
            written = part[found.start : found.end]
            if slashes % 2:
                made += "$" * dollars + part[start.start("open") : found.end]
            elif dollars and dollars % 2 == 0:
                made += "$" * (dollars // 2) + part[start.start("open") : found.end]
            else:
                made += "$" * (dollars // 2) + replace(found, written, depth + 1)
            position = found.end
        return made + part[position:]

    return walk(text, 0), tuple(dict.fromkeys(used)), tuple(unset.values())


def _placeholder(text: str, start: re.Match[str]) -> _Placeholder | None:
    """Return the placeholder that begins there, or None for plain text."""
    shell_like = start["dollars"] != ""
    operator = start["operator"] or ""
    if operator and operator != ":-" and not shell_like:
        return None
    end = _close(text, start.end())
    if end is None or (not operator and end != start.end()):
        return None
    operand = text[start.end() : end]
    close = "}" * len(start["open"])
    if not text.startswith(close, end):
        return None
    begin = start.start("open") - (1 if shell_like else 0)
    return _Placeholder(start=begin, end=end + len(close), name=start["name"], operator=operator, operand=operand)


def _close(text: str, position: int) -> int | None:
    """Return the offset of the brace that closes the one before `position`, or None."""
    depth = 0
    for brace in _BRACE.finditer(text, position):
        if brace[0] == "{":
            depth += 1
        elif depth == 0:
            return brace.start()
        else:
            depth -= 1
    return None
