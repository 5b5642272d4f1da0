"""Reads durations, which documents give in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MILLISECONDS = 1000.0  # of a second


def seconds(entry: Mapping[str, Any], key: str, default: float) -> float:
    """Return the seconds of a key in milliseconds; `default`: seconds without the key."""
    return entry[key] / MILLISECONDS if key in entry else default
