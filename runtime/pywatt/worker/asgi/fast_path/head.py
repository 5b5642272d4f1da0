"""The heads of plain responses: of a known length, without Connection and Transfer-Encoding."""

from __future__ import annotations

from typing import Any

from pywatt.http.headers import Header, check_header
from pywatt.http.server.writer import status_line

KNOWN = 512
"""Heads, and lines of them, that are cached."""
KNOWN_SIZE = 512
"""Bytes above which neither is cached."""
LENGTH_DIGITS = 18
BODILESS = (204, 304)

Head = tuple[bytes, int | None]
"""Bytes of the head, and the length that it announces."""

_heads: dict[tuple[Any, ...], Head] = {}
_lines: dict[Header, bytes] = {}


def plain_head(status: Any, headers: list[Any]) -> Head | None:
    """Return a head; None for one that is not plain, or wrong."""
    try:
        key = (status, *headers)
        head = _heads.get(key)
        if head is None:
            head = _read(status, headers)
            if head is not None and len(head[0]) <= KNOWN_SIZE:
                if len(_heads) >= KNOWN:
                    _heads.clear()
                _heads[key] = head
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return head


def _read(status: int, headers: list[Header]) -> Head | None:
    length: int | None = None
    head = status_line(status)
    for header in headers:
        line = _lines.get(header)
        if line is None:
            name, value = header
            name = name.lower()
            if name == b"content-length":
                if length is not None or not value.isdigit() or len(value) > LENGTH_DIGITS:
                    return None
                length = int(value)
                line = b"content-length: %b\r\n" % value
            elif name == b"connection" or name == b"transfer-encoding":
                return None
            else:
                line = _line(header, name, value)
        head += line
    if length is None and status not in BODILESS:
        return None
    return head + b"\r\n", length


def _line(header: Header, name: bytes, value: bytes) -> bytes:
    check_header(name, value)
    line = b"%b: %b\r\n" % (name, value)
    if len(line) <= KNOWN_SIZE:
        if len(_lines) >= KNOWN:
            _lines.clear()
        _lines[header] = line
    return line
