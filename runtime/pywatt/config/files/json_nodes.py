"""Locates the keys of a JSON text."""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]

from pywatt.config.files.key_path import KeyPath

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"[^,\]}\s]+")


def first_duplicate(text: str) -> tuple[KeyPath, int]:
    """Return the first key of a JSON text that appears twice, and the line of its second appearance."""
    seen: set[KeyPath] = set()
    for key, offset in json_offsets(text):
        if key in seen:
            return key, text.count("\n", 0, offset) + 1
        seen.add(key)
    raise ValueError("no key is there twice")


def json_offsets(text: str) -> list[tuple[KeyPath, int]]:
    """Return every key and list item of a valid JSON text, in order, with its offset."""
    found: list[tuple[KeyPath, int]] = []

    def space(at: int) -> int:
        match = _SPACE.match(text, at)
        return match.end() if match else at

    def value(at: int, key: KeyPath) -> int:
        at = space(at)
        if text[at] == '"':
            return int(scanstring(text, at + 1)[1])
        if text[at] not in "{[":
            match = _SCALAR.match(text, at)
            return match.end() if match else len(text)
        closing = "}" if text[at] == "{" else "]"
        at, index = space(at + 1), 0
        while text[at] != closing:
            part: str | int = index
            start = at
            if closing == "}":
                part, at = scanstring(text, at + 1)
                at = space(at) + 1
            found.append(((*key, part), start))
            at, index = space(value(at, (*key, part))), index + 1
            if text[at] == ",":
                at = space(at + 1)
        return at + 1

    value(0, ())
    return found
