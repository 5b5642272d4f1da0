"""Reads Cache-Control, dates and validators (pure). Whatever is not valid counts as the most careful reading of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from functools import lru_cache

from pywatt.http.headers import Header

_DIRECTIVE = re.compile(
    rb"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*(?:=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^,;"\s]*)))?""", re.DOTALL
)
_ETAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
LONGEST = 2**31
"""Seconds that stand for any larger number (RFC 9111 1.2.2)."""
Directives = dict[bytes, bytes]
NO_STORE, NO_CACHE, PRIVATE, PUBLIC = b"no-store", b"no-cache", b"private", b"public"
MAX_AGE, S_MAXAGE, MIN_FRESH = b"max-age", b"s-maxage", b"min-fresh"
MUST_REVALIDATE, PROXY_REVALIDATE = b"must-revalidate", b"proxy-revalidate"
STALE_WHILE_REVALIDATE, STALE_IF_ERROR, ONLY_IF_CACHED = b"stale-while-revalidate", b"stale-if-error", b"only-if-cached"


def directives(headers: Iterable[Header], name: bytes = b"cache-control") -> Directives:
    """Return the directives by lower-case name. `headers`: names in lower case."""
    value = b",".join([value for each, value in headers if each == name])
    return _directives(value) if value else {}


@lru_cache(maxsize=512)
def _directives(value: bytes) -> Directives:
    found: Directives = {}
    for match in _DIRECTIVE.finditer(value):
        key = match[1].lower()
        argument = match[2] if match[2] is not None else match[3] or b""
        if key in found and found[key] != argument:
            # Of two numbers the smaller one counts; of anything else, neither is a number.
            numbers = [int(each) for each in (found[key], argument) if each.isdigit() and len(each) < 20]
            argument = b"%d" % min(numbers) if len(numbers) == 2 else b"0"
        found[key] = argument
    return found


def seconds(found: Directives, name: bytes) -> int | None:
    """Return the number of a directive, None without it; one that is no number is 0, so what it limits is over."""
    value = found.get(name)
    if value is None:
        return None
    if not value.isdigit():
        return 0
    return LONGEST if len(value) > 10 else min(int(value), LONGEST)


@lru_cache(maxsize=512)
def date(value: bytes) -> float | None:
    """Return a date of HTTP in seconds since the epoch; None for anything else."""
    if len(value) > 64:
        return None
    try:
        return parsedate_to_datetime(value.decode("ascii")).timestamp()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def etag_of(headers: Iterable[Header]) -> bytes:
    """Return the ETag of a response, empty without a valid one. `headers`: names in lower case."""
    value = next((value for name, value in headers if name == b"etag"), b"")
    return value if _ETAG.fullmatch(value) else b""


def has_same_tag(none_match: bytes, etag: bytes) -> bool:
    """Tell whether an If-None-Match names a stored response, by weak comparison (RFC 9110 13.1.2)."""
    if none_match.strip() == b"*":
        return True
    return bool(etag) and etag.removeprefix(b"W/") in [tag.removeprefix(b"W/") for tag in _ETAG.findall(none_match)]
