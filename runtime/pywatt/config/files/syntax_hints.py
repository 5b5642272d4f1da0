"""Words the `fix:` line of a syntax error, based on the parser's message (pure)."""

from __future__ import annotations

import re
from collections.abc import Sequence

_Hints = Sequence[tuple[str, str]]
"""Patterns, compiled only for an error, and the hint for a message in which each is found."""

_JSON: _Hints = (
    (r"^NaN|Infinity", "write a number, or null"),
    ("',' delimiter", "put a comma between this and the value before it, or close the brackets that are open"),
    ("':' delimiter", "put a colon between the key and its value"),
    ("property name", "write the key in double quotes, or close the object with }"),
    ("expecting value", "write a value: text in double quotes, a number, true, false, null, [...] or {...}"),
    ("unterminated string", 'end the text with " on the same line'),
    ("control character", r"write \n for a line break and \t for a tab inside text"),
    ("escape", r"write \\ for a backslash"),
    ("extra data", "remove what follows the last }, or correct the brackets before it"),
)
_JSON5: _Hints = (
    ("comma or", "put a comma between this and the value before it, or close the brackets that are open"),
    ("JSON5Value", "write a value: text in quotes, a number, true, false, null, [...] or {...}"),
    ("unclosed string", "end the text with the quote that it begins with"),
    ("unclosed comment", "end the comment with */"),
    ("unclosed (object|array)", "close the bracket that is open"),
    ("numericliteral", "write a number, or put quotes around text"),
    ("no json data", "write at least {}"),
    ("extra data", "remove what follows the last }, or correct the brackets before it"),
)
_JSON_OTHERWISE = "correct the file here, or the brackets, quotes and commas before it"

_YAML: _Hints = (
    ("mapping values are not allowed", 'put quotes around a value that has ": " in it, or correct the indentation'),
    (r"expected ':'", "write NAME: VALUE, with a blank after the colon, and indent what belongs to it"),
    (r"expected ',' or '[\]}]'", "close the bracket that is open, or put a comma between its items"),
    ("cannot start any token|expected alphabetic", "put quotes around the value"),
    ("alias", 'put quotes around a value that begins with *, or define it with "&NAME" first'),
    ("unknown escape", r"write \\ for a backslash, or put the text in single quotes"),
    ("quoted scalar", "end the text with the quote that it begins with"),
    ("block (mapping|collection|sequence)", "indent the line like its neighbours"),
    ("another document", "keep one document: remove the line ---"),
    ("tag", "remove the tag that begins with !"),
)
_YAML_OTHERWISE = "correct the line, or indent it like its neighbours"

_TOML: _Hints = (
    ("cannot (overwrite|declare|mutate)", "keep one of them"),
    ("'=' after a key", "write NAME = VALUE"),
    ("invalid value", "put quotes around text; write true, false or a number without quotes"),
    ("newline or end of document", "write each NAME = VALUE on a line of its own"),
    (
        "invalid statement|initial character",
        "put quotes around a key that has other characters than letters, digits, - and _",
    ),
    ("illegal character|unterminated string", 'end the text with " on the same line'),
    ("unclosed|']'|'}'", "close the bracket that is open"),
    ("escape", r"write \\ for a backslash, or put the text in single quotes"),
)
_TOML_OTHERWISE = "correct the line: NAME = VALUE, or [TABLE]"


def json_hint(message: str) -> str:
    """Return a hint for an error of the JSON parser."""
    return _find(message, _JSON, _JSON_OTHERWISE)


def json5_hint(message: str) -> str:
    """Return a hint for an error of the JSON5 parser."""
    return _find(message, _JSON5, _JSON_OTHERWISE)


def yaml_hint(message: str, line: str) -> str:
    """Return a hint for an error of the YAML parser in a line."""
    if line.lstrip(" ").startswith("\t"):
        return "indent with spaces: YAML takes no tabs"
    return _find(message, _YAML, _YAML_OTHERWISE)


def toml_hint(message: str) -> str:
    """Return a hint for an error of the TOML parser."""
    return _find(message, _TOML, _TOML_OTHERWISE)


def _find(message: str, hints: _Hints, otherwise: str) -> str:
    return next((hint for pattern, hint in hints if re.search(pattern, message, re.IGNORECASE)), otherwise)
