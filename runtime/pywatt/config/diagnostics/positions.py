"""Finds the line of a key; used only once something is wrong, so that a good file costs nothing."""

from __future__ import annotations

import re

from pywatt.config.files.document import Document
from pywatt.config.files.formats import Format
from pywatt.config.files.json_nodes import json_offsets
from pywatt.config.files.key_path import KeyPath


def line_of(document: Document, key: KeyPath) -> int:
    """Return the line of a key, or of its nearest parent that the text has; 0 if unknown."""
    if not document.text or not key:
        return 0
    if document.format is Format.JSON:
        lines = {found: document.text.count("\n", 0, at) + 1 for found, at in json_offsets(document.text)}
    elif document.format is Format.YAML:
        from pywatt.config.files.yaml_nodes import key_lines

        lines = key_lines(document.text)
    else:
        return _only_line(document.text, key)
    while key and key not in lines:
        key = key[:-1]
    return lines.get(key, 0)


def _only_line(text: str, key: KeyPath) -> int:
    """Return the line of a key's last name if the text has it in one place only: neither parser gives positions."""
    names = [part for part in key if isinstance(part, str)]
    if not names:
        return 0
    name = re.escape(names[-1])
    places = list(re.finditer(rf"""(?<![\w-])(["']?){name}\1\s*[:=\]]""", text))
    return text.count("\n", 0, places[0].start()) + 1 if len(places) == 1 else 0
