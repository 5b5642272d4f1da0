"""On which line a key stands; used only once something is wrong, so that a good file costs nothing."""

from __future__ import annotations

import re
from json.decoder import scanstring  # type: ignore[attr-defined]

from pywatt.config.document import Document, Format
from pywatt.config.key import Key

_SPACE = re.compile(r"[ \t\n\r]*")
_SCALAR = re.compile(r"[^,\]}\s]+")


def line_of(document: Document, key: Key) -> int:
    """Return the line of a key, or of the nearest one above it that the text has; 0 when it cannot be told."""
    if not document.text or not key:
        return 0
    if document.format is Format.JSON:
        lines = {found: document.text.count("\n", 0, at) + 1 for found, at in json_offsets(document.text)}
    elif document.format is Format.YAML:
        from pywatt.config.yaml_nodes import key_lines

        lines = key_lines(document.text)
    else:
        return _only_line(document.text, key)
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 0)


def first_duplicate(text: str) -> tuple[Key, int]:
    """Return the first key of a JSON text that is there twice, and the line of its second place."""
    seen: set[Key] = set()
    for key, offset in json_offsets(text):
        if key in seen:
            return key, text.count("\n", 0, offset) + 1
        seen.add(key)
    raise ValueError("no key is there twice")


def json_offsets(text: str) -> list[tuple[Key, int]]:
    """Return every key and list item of a valid JSON text, in order, with its offset."""
    found: list[tuple[Key, int]] = []

    def space(at: int) -> int:
        match = _SPACE.match(text, at)
        return match.end() if match else at

    def value(at: int, key: Key) -> int:
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


def _only_line(text: str, key: Key) -> int:
    """Return the line of a key's last name if the text has it in just one place: neither parser gives positions."""
    names = [part for part in key if isinstance(part, str)]
    if not names:
        return 0
    name = re.escape(names[-1])
    places = list(re.finditer(rf"""(?<![\w-])(["']?){name}\1\s*[:=\]]""", text))
    return text.count("\n", 0, places[0].start()) + 1 if len(places) == 1 else 0
