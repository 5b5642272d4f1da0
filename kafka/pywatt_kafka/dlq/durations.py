"""Parses durations such as 90s, 15m, 12h and 7d."""

from __future__ import annotations

import re

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 36_500 * UNITS["d"]
_DURATION = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([smhd])")


def parse_duration(text: str) -> float:
    """Return a duration in seconds. Raises ValueError with the expected form."""
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * UNITS[match[2]] if match is not None else LONGEST + 1
    if seconds > LONGEST:
        raise ValueError(f"{text!r} is no duration: write 90s, 15m, 12h or 7d, at most {LONGEST // UNITS['d']}d")
    return seconds
