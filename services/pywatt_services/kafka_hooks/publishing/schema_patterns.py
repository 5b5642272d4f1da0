"""The patterns of a JSON Schema, which meet what strangers send: matched in linear time where RE2 is installed.

Else, and for what RE2 does not know (`(?!...)`), patterns that may take very long are refused, and long texts fit none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from pywatt_services.diagnostics.backtracking import SlowPattern, check_backtracking

LONGEST = 2_000
"""Characters of a text that is matched without RE2."""
_RE2_MEMORY = 8 * 1024 * 1024

Matches = Callable[[str], bool]


def check_patterns(part: Mapping[str, Any]) -> None:
    """Raise ValueError for a pattern of a part of a schema that cannot be used, or that may take very long."""
    pattern = part.get("pattern")
    if isinstance(pattern, str):
        _checked(pattern, _matcher)
    names = part.get("patternProperties")
    for name in names if isinstance(names, Mapping) else ():
        _checked(name, check_backtracking)


def pattern(_validator: Any, wanted: str, text: Any, _schema: Any) -> Iterator[Any]:
    """Yield the error of a text that a pattern does not fit; the keyword `pattern` of a validator."""
    from jsonschema.exceptions import ValidationError

    if isinstance(text, str) and not _matcher(wanted)(text):
        yield ValidationError(f"{text[:100]!r} does not match {wanted!r}")


def long_name(document: Any) -> bool:
    """Tell whether a name in a document is too long for patterns."""
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            if any(len(name) > LONGEST for name in value):
                return True
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
    return False


def _checked(pattern: str, check: Callable[[str], object]) -> None:
    try:
        check(pattern)
    except SlowPattern as error:
        raise ValueError(f"the pattern {pattern!r} may take very long: {error}") from error
    except re.error as error:
        raise ValueError(f"the pattern {pattern!r} is not a regular expression: {error}") from error


@lru_cache(maxsize=1024)
def _matcher(pattern: str) -> Matches:
    linear = _linear(pattern)
    if linear is not None:
        return linear
    check_backtracking(pattern)
    compiled = re.compile(pattern)
    return lambda text: len(text) <= LONGEST and compiled.search(text) is not None


def _linear(pattern: str) -> Matches | None:
    try:
        import re2
    except ImportError:
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _RE2_MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except re2.error:
        return None

    def matches(text: str) -> bool:
        # RE2 takes UTF-8, in which a lone surrogate cannot be written.
        return compiled.search(text.encode("utf-8", "replace").decode()) is not None

    return matches
