"""The name a user probably meant, for error messages."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

LIKENESS = 0.6
"""How alike two words must be, from 0 to 1, to offer one for the other."""

_MOST_LISTED = 12
_MISSPELT_PLURAL = re.compile(r"(?<=[^aeiou])ys\Z")
"""As in "retrys": the singular would be more like it."""


def suggest(word: str, known: Iterable[str], *, kind: str, always_list: bool = False) -> str:
    """Return a hint that asks for the nearest known word, if one is near, else lists them, the nearest of many."""
    names = sorted(known, key=lambda name: -_likeness(word, name))
    if not names:
        return ""
    near = nearest(word, names)
    question = f'did you mean "{near}"?' if near is not None else ""
    listed = f"{kind}: {', '.join(sorted(names[:_MOST_LISTED]))}{', ...' if len(names) > _MOST_LISTED else ''}"
    if not question:
        return listed
    return f"{question} {listed}" if always_list else question


def nearest(word: str, known: Iterable[str], *, likeness: float = LIKENESS) -> str | None:
    """Return the known word most like this one, or None when none is as like as `likeness` (0 to 1)."""
    by_lower = {name.lower(): name for name in known}
    plural = _MISSPELT_PLURAL.sub("ies", word.lower())
    if plural in by_lower:
        return by_lower[plural]
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=likeness)
    return by_lower[found[0]] if found else None


def _likeness(word: str, name: str) -> float:
    return difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio()
