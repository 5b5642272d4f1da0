"""Reads a JSON object of unknown origin (pure); the result can be written and read again."""

from __future__ import annotations

import json
import math
import re
from typing import Any, TypeGuard

MOST_DEPTH = 100
"""Largest nesting of objects and arrays: deeper ones meet the limits of the programs that read the log."""
LATEST = 253_402_300_799_999
"""Milliseconds: the end of the year 9999, after which no calendar here has a date."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
SURROGATE = re.compile("[\ud800-\udfff]")
"""Half a character: JSON can name it, UTF-8 cannot."""


def _number(text: str) -> float | str:
    """Return a number, as text when it is none that JSON has (`1e999`)."""
    value = float(text)
    return value if math.isfinite(value) else text


_DECODER = json.JSONDecoder(parse_float=_number, parse_constant=str)
"""Python's own encoder writes `NaN` and `Infinity`, which are no JSON: they become texts."""


def read_object(text: str) -> dict[str, Any] | None:
    """Return the object, or None for anything else."""
    try:
        document = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    # Few texts have so many brackets; only those are looked at closely.
    if text.count("{") + text.count("[") > MOST_DEPTH and _depth(document) > MOST_DEPTH:
        return None
    return _whole(document) if _HALF.search(text) else document


def is_level(value: object) -> TypeGuard[int]:
    """Return whether a value can be a level of pino's; `true` is none, though Python counts it as a number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_time(value: object) -> TypeGuard[int | float]:
    """Return whether a value can be a moment: milliseconds since the epoch, until the year 9999."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LATEST


def _depth(document: object) -> int:
    """Return how many containers lie in each other at most."""
    deepest = 0
    left: list[tuple[object, int]] = [(document, 1)]
    while left:
        value, depth = left.pop()
        children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
        if children is not None:
            deepest = max(deepest, depth)
            left += [(child, depth + 1) for child in children]
    return deepest


def _whole(value: Any) -> Any:
    """Return a copy with another character in place of each half of one."""
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return [_whole(each) for each in value] if isinstance(value, list) else value
