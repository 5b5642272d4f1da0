"""Finds the line of a key; used only once something is wrong, so that a good file costs nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pywatt.config.files.document import Document
from pywatt.config.files.formats import Format
from pywatt.config.files.json_nodes import json_offsets
from pywatt.config.files.key_path import KeyPath


def line_of(document: Document, key: KeyPath) -> int:
    """Return the line of a key, or of its nearest parent that the text has; 0 if unknown."""
    if not document.text or not key:
        return 0
    if document.format not in (Format.JSON, Format.YAML):
        return _only_line(document.text, key)
    lines = key_lines_of(document)
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 0)


def key_lines_of(document: Document) -> Mapping[KeyPath, int]:
    """Return the line of each key, as far as it can be told."""
    if not document.text:
        return {}
    if document.format is Format.JSON:
        return {key: document.text.count("\n", 0, at) + 1 for key, at in json_offsets(document.text)}
    if document.format is Format.YAML:
        from pywatt.config.files.yaml_nodes import key_lines

        return key_lines(document.text)
    lines: dict[KeyPath, int] = {}
    pending: list[tuple[KeyPath, object]] = [((), document.data)]
    while pending:
        key, value = pending.pop()
        if line := _only_line(document.text, key):
            lines[key] = line
        if isinstance(value, Mapping):
            pending += [((*key, name), child) for name, child in value.items()]
    return lines


def _only_line(text: str, key: KeyPath) -> int:
    """Return the line of a key's last name if the text has it in one place only: neither parser gives positions."""
    names = [part for part in key if isinstance(part, str)]
    if not names:
        return 0
    name = re.escape(names[-1])
    places = list(re.finditer(rf"""(?<![\w-])(["']?){name}\1\s*[:=\]]""", text))
    return text.count("\n", 0, places[0].start()) + 1 if len(places) == 1 else 0
