"""Paths into JSON documents, such as `order.items[0].id`: names with dots between, places in lists in brackets."""

from __future__ import annotations

import json
import re
from typing import Any, TypeAlias

from pywatt_kafka.records import Message

JsonPath: TypeAlias = tuple[str | int, ...]

MISSING = object()
"""Stands for a value that does not exist; null does exist."""
_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")


def read_path(text: str) -> JsonPath:
    """Return the steps of a path; it may begin with `$`. Raises ValueError."""
    rest = text[1:] if text.startswith("$") else f".{text}"
    steps: list[str | int] = []
    at = 0
    while at < len(rest):
        found = _STEP.match(rest, at)
        if found is None:
            raise ValueError(f"{text!r} is not a path such as order.items[0].id")
        steps.append(found[1] if found[2] is None else int(found[2]))
        at = found.end()
    if not steps:
        raise ValueError(f"{text!r} names nothing")
    return tuple(steps)


def find(document: Any, path: JsonPath) -> Any:
    """Return the value at the end of a path, or MISSING."""
    for step in path:
        if isinstance(step, str):
            if not isinstance(document, dict) or step not in document:
                return MISSING
            document = document[step]
        elif isinstance(document, list) and step < len(document):
            document = document[step]
        else:
            return MISSING
    return document


def document_of(message: Message) -> Any:
    """Return a record's value as JSON, MISSING when it is none."""
    try:
        return json.loads(message.value or b"")
    except (ValueError, RecursionError):
        return MISSING
