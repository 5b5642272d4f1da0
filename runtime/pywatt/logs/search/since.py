"""Reads a point in time as people write it: `10m`, `1h30m`, `2026-03-01`, `2026-03-01T12:30` (pure)."""

from __future__ import annotations

import re
from datetime import datetime

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_TERM = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SPAN = re.compile(rf"(?:{_TERM.pattern})+", re.IGNORECASE)


def parse_since(text: str, now: datetime) -> int:
    """Return the moment in milliseconds since the epoch; without a zone it is in that of `now`. Raises ValueError."""
    cleaned = text.strip().lower()
    if _SPAN.fullmatch(cleaned):
        seconds = sum(float(number) * _SECONDS[unit] for number, unit in _TERM.findall(cleaned))
        return int((now.timestamp() - seconds) * 1000)
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(
            f"{text!r} is no time: write a span such as 10m, 2h or 1h30m, or a moment such as 2026-03-01T12:30"
        ) from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)).timestamp() * 1000)
