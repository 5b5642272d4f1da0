"""Parses amounts of memory in config files: `512MB`, or a number of bytes."""

from __future__ import annotations

import re

SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([KMGT]?)(?:I?B)?\s*", re.IGNORECASE)
"""The schemas have the same pattern."""
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
KIBI = 1024
"""Factor between two units. Original: the same."""


def size_in_bytes(value: str | float | None) -> int | None:
    """Return the number of bytes, None for None. Raises ValueError."""
    if value is None or not isinstance(value, str):
        return None if value is None else int(value)
    found = SIZE.fullmatch(value)
    if found is None:
        raise ValueError(f"not an amount of memory: {value}")
    return int(float(found[1]) * KIBI ** _POWERS[found[2].upper()])
