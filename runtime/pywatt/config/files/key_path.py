"""The path of a key in a document, as the parts `("web", 2, "workers")` and as the text `web[2].workers`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_PLAIN = re.compile(r"[\w$@/-]+")
_PART = re.compile(r'\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|\.?([^.\[\]]+)')


def format_key_path(key: Iterable[str | int]) -> str:
    """Return the text form of a key path."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _PLAIN.fullmatch(part):
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
        else:
            text += f".{part}" if text else part
    return text


def parse_key_path(text: str, data: Any) -> KeyPath:
    """Return the parts of a key path's text form, as they are in `data`; `topics.0` is read like `topics[0]`."""
    parts: list[str | int] = []
    for index, quoted, plain in _PART.findall(text):
        part = index or plain or json.loads(f'"{quoted}"')
        if isinstance(data, list) and part.isdecimal():
            position = int(part)
            parts.append(position)
            data = data[position] if position < len(data) else None
        else:
            parts.append(part)
            data = data.get(part) if isinstance(data, dict) else None
    return tuple(parts)
