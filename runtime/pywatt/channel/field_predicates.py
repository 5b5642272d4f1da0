"""Predicates for the fields of messages, applied to decoded JSON (pure)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

MOST = 2**63
"""Limit of numbers; real values are far below it."""
_ADDRESS = re.compile(r"unix:[^\0]+|tcp:[^\0\s]+:([0-9]{1,5})")
_HIGHEST_PORT = 65535


def anything(_value: object) -> bool:
    """Any JSON value."""
    return True


def flag(value: object) -> bool:
    """True or false."""
    return isinstance(value, bool)


def count(value: object) -> bool:
    """A whole number from 0 on."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST


def number(value: object) -> bool:
    """A finite number."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < MOST


def numbers(value: object) -> bool:
    """Finite numbers by name."""
    return isinstance(value, dict) and all(text(name) and number(each) for name, each in value.items())


def stacks(value: object) -> bool:
    """Pairs of frames and a whole number."""
    return isinstance(value, list) and all(
        isinstance(pair, list)
        and len(pair) == 2
        and isinstance(pair[0], list)
        and all(map(text, pair[0]))
        and count(pair[1])
        for pair in value
    )


def text(value: object) -> bool:
    """Text that can be written as UTF-8: JSON can also say half of a surrogate pair."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def variables(value: object) -> bool:
    """Variables of an environment."""
    return isinstance(value, dict) and all(
        text(name) and name and "=" not in name and "\0" not in name and text(each) and "\0" not in each
        for name, each in value.items()
    )


def address(value: object) -> bool:
    """The address of an endpoint, in the form of `Endpoint.address`."""
    if not isinstance(value, str) or not text(value):
        return False
    match = _ADDRESS.fullmatch(value)
    return match is not None and (match[1] is None or 0 < int(match[1]) <= _HIGHEST_PORT)


def mapping(value: object) -> bool:
    """An object with any content."""
    return isinstance(value, dict)


def maybe(predicate: Callable[[object], bool]) -> Callable[[object], bool]:
    """Return the predicate that also accepts null."""
    return lambda value: value is None or predicate(value)
