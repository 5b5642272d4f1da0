"""Adds to a JSON text and keeps the rest of it: order, spaces and lines (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from pywatt.config.files.json_nodes import json_offsets
from pywatt.config.files.key_path import KeyPath

_INDENT = re.compile(r"\n([ \t]+)\S")
DEFAULT_INDENT = "  "


def append_item(text: str, key: KeyPath, item: Mapping[str, Any]) -> str:
    """Return the text with an object appended to the list at `key`, formatted like its neighbours."""
    offsets = dict(json_offsets(text))
    start, end = _value(text, offsets[key], named=True)
    count = len(json.loads(text[start:end]))
    if not count:
        margin = _margin(text, offsets[key])
        inner = margin + _indent(text)
        return f"{text[:start]}[{inner}{_one_line(item)}{margin}]{text[end:]}"
    first = offsets[*key, 0]
    last, last_end = _value(text, offsets[*key, count - 1], named=False)
    between = text[start + 1 : first]
    if "\n" in text[last:last_end]:
        unit = _indent(text)
        lines = json.dumps(item, indent=unit, ensure_ascii=False).split("\n")
        written = _margin(text, last).join(lines)
    else:
        written = _one_line(item, spaced=text[last : last + 2] != '{"')
    separator = between if "\n" in between else " "
    return f"{text[:last_end]},{separator}{written}{text[last_end:]}"


def insert_key(text: str, name: str, value: str) -> str:
    """Return the text of an object with a key added in front of the others."""
    first = json_offsets(text)[0][1]
    space = text[text.index("{") + 1 : first] or " "
    return f"{text[:first]}{json.dumps(name)}: {json.dumps(value)},{space}{text[first:]}"


def _value(text: str, at: int, *, named: bool) -> tuple[int, int]:
    """Return the start and end of the value of the item, or of the key if `named`, at an offset."""
    if named:
        _, at = scanstring(text, at + 1)
        at = text.index(":", at) + 1
        while text[at].isspace():
            at += 1
    _, end = json.JSONDecoder().raw_decode(text, at)
    return at, end


def _margin(text: str, at: int) -> str:
    """Return a line end and the indent of the line in which an offset is."""
    line = text[text.rfind("\n", 0, at) + 1 :]
    ending = "\r\n" if "\r\n" in text else "\n"
    return ending + line[: len(line) - len(line.lstrip(" \t"))]


def _indent(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else DEFAULT_INDENT


def _one_line(item: Mapping[str, Any], *, spaced: bool = True) -> str:
    inside = json.dumps(item, ensure_ascii=False)[1:-1]
    return f"{{ {inside} }}" if spaced else f"{{{inside}}}"
