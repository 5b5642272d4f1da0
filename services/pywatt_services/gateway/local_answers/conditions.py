"""Conditional requests and ranges (RFC 9110 sections 13 and 14), for one selected file (pure)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from pywatt.http.headers import Headers

_ETAG = re.compile(rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_RANGE = re.compile(rb"bytes[ \t]*=[ \t]*([0-9]{0,18})[ \t]*-[ \t]*([0-9]{0,18})[ \t]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Selected:
    """A file as a client may know it."""

    etag: bytes
    """With its quotes."""
    modified: int
    """Seconds since 1970."""
    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """The status of an answer, and the bytes of the file that belong to it."""

    status: int
    start: int = 0
    length: int = 0


def selected_part(headers: Headers, file: Selected, *, ranges: bool = True) -> Part:
    """Return what a request is answered with: 200, 206, 304, 412 or 416. `ranges`: False for any method but GET."""
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        values[lower] = values[lower] + b", " + value if lower in values else value
    failed = _precondition(values, file)
    if failed is not None:
        return Part(failed)
    whole = Part(200, 0, file.size)
    wanted = values.get(b"range")
    if wanted is None or not ranges or not _still_valid(values.get(b"if-range"), file):
        return whole
    match = _RANGE.fullmatch(wanted)
    if match is None or not (match[1] or match[2]):
        return whole  # of several ranges, or of another unit: a server may ignore them
    if not match[1]:
        length = min(int(match[2]), file.size)
        return Part(206, file.size - length, length) if length else Part(416)
    start = int(match[1])
    end = min(int(match[2]), file.size - 1) if match[2] else file.size - 1
    if match[2] and int(match[2]) < start:
        return whole  # not valid
    return Part(206, start, end - start + 1) if start < file.size else Part(416)


def _precondition(values: dict[bytes, bytes], file: Selected) -> int | None:
    match, none_match = values.get(b"if-match"), values.get(b"if-none-match")
    if match is not None:
        if match.strip() != b"*" and file.etag not in _ETAG.findall(match):
            return 412
    elif (since := _date(values.get(b"if-unmodified-since"))) is not None and file.modified > since:
        return 412
    if none_match is not None:
        known = {tag.removeprefix(b"W/") for tag in _ETAG.findall(none_match)}
        return 304 if none_match.strip() == b"*" or file.etag in known else None
    since = _date(values.get(b"if-modified-since"))
    return 304 if since is not None and file.modified <= since else None


def _still_valid(condition: bytes | None, file: Selected) -> bool:
    """Tell whether a range is of the file that the client knows."""
    if condition is None:
        return True
    if condition.startswith((b'"', b"W/")):
        return condition.strip() == file.etag  # weak ones never match
    return _date(condition) == file.modified


def _date(value: bytes | None) -> int | None:
    if value is None:
        return None
    try:
        return int(parsedate_to_datetime(value.decode("ascii")).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
