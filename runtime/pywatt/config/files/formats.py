"""The formats of config files: JSON, JSON5, YAML and TOML, with the position of each syntax error.

Each parser is imported only when a file needs it.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Sequence
from typing import Any

from pywatt.config.files.json_nodes import first_duplicate
from pywatt.config.files.malformed import MalformedError
from pywatt.config.files.syntax_hints import json5_hint, json_hint, toml_hint


class Format(enum.Enum):
    """The format of a config file."""

    JSON = "JSON"
    JSON5 = "JSON5"
    YAML = "YAML"
    TOML = "TOML"


FORMATS = {
    "json": Format.JSON,
    "json5": Format.JSON5,
    "yaml": Format.YAML,
    "yml": Format.YAML,
    "toml": Format.TOML,
    "tml": Format.TOML,
}
"""Formats by file extension, in search order."""


_OBJECT_HINTS = {
    Format.JSON: 'begin with { and end with }, as in {"web": []}',
    Format.JSON5: "begin with { and end with }, as in {web: []}",
    Format.YAML: "begin with a key, as in: web: []",
    Format.TOML: "begin with a key, as in: web = []",
}


def parse(text: str, form: Format) -> dict[str, Any]:
    """Return the parsed text. Raises MalformedError."""
    data = _PARSERS[form](text)
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "nothing" if data is None else "a single value"
        raise MalformedError(f"holds {kind} instead of keys and values", line=1, hint=_OBJECT_HINTS[form])
    return data


class _DuplicateKeyError(ValueError):
    """An object has the same key twice."""


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _DuplicateKeyError
    return made


def _constant(name: str) -> Any:
    raise MalformedError(f"{name} is not allowed in JSON", hint=json_hint(name))


def _parse_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        raise _bad_json(text, error) from error
    except _DuplicateKeyError as error:
        key, line = first_duplicate(text)
        raise MalformedError(
            f'the key "{key[-1]}" is there twice', line=line, key=key, hint="keep one of them"
        ) from error


def _bad_json(text: str, error: json.JSONDecodeError) -> MalformedError:
    before, rest = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    if rest.startswith(","):
        # since Python 3.13 a trailing comma is reported at the comma, before that at the bracket after it
        before, rest = f"{before},", rest[1:].lstrip()
    message, hint = f"is not valid JSON: {error.msg}", json_hint(error.msg)
    if not text.strip():
        message, hint = "is empty", "write at least {}"
    elif before.endswith(",") and rest[:1] in {"}", "]"}:
        hint = f'remove the comma before "{rest[0]}"'
    elif rest.startswith(("//", "/*")):
        hint = "JSON has no comments; rename the file to .json5 to use them"
    return MalformedError(message, line=error.lineno, column=error.colno, hint=hint)


def _parse_json5(text: str) -> Any:
    import pyjson5

    try:
        return pyjson5.decode(text)
    except pyjson5.Json5DecoderException as error:
        found = re.search(r"near (\d+)", str(error.args[0]))
        offset = int(found[1]) if found else 0
        # pyjson5 counts the characters it has read, so the offending one is the last of them
        before = text[: max(offset - 1, 0)]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        what = re.sub(r"b'(\w+)'|U\+([0-9a-fA-F]{4,6})", _json5_word, re.sub(r"\s*near \d+", "", str(error.args[0])))
        raise MalformedError(f"is not valid JSON5: {what}", line=line, column=column, hint=json5_hint(what)) from error


def _json5_word(found: re.Match[str]) -> str:
    return found[1] or f'"{chr(int(found[2], 16))}"'


def _parse_toml(text: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\s*\(at line (\d+), column (\d+)\)", str(error))
        message = f"is not valid TOML: {str(error)[: found.start()] if found else error}"
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        hint = toml_hint(str(error))
        raise MalformedError(message, line=line, column=int(found[2]) if found else 0, hint=hint) from error


def _parse_yaml(text: str) -> Any:
    from pywatt.config.files.yaml_nodes import parse_yaml

    return parse_yaml(text)


_PARSERS = {
    Format.JSON: _parse_json,
    Format.JSON5: _parse_json5,
    Format.YAML: _parse_yaml,
    Format.TOML: _parse_toml,
}
