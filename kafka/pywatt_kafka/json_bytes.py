"""Bytes in JSON: as text where they are UTF-8, else in base64; between workers as Latin-1; pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any


def text_or_base64(value: bytes | None) -> str | dict[str, str] | None:
    """Return text for UTF-8, `{"base64": ...}` for other bytes."""
    if value is None:
        return None
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64_text(value)}


def text_fields(name: str, value: bytes | None) -> dict[str, str | None]:
    """Return the field `name` with text for UTF-8, else with base64 and a field `<name>Encoding` beside it."""
    if value is None:
        return {name: None}
    try:
        return {name: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {name: base64_text(value), f"{name}Encoding": "base64"}


def headers_by_name(headers: Iterable[tuple[str, bytes | None]]) -> dict[str, Any]:
    """Return the values of headers by name, in the form of `text_or_base64`; a list for a repeated name."""
    found: dict[str, list[Any]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(text_or_base64(value))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def base64_text(value: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(value).decode("ascii")


def latin1_text(data: bytes) -> str:
    """Return bytes as text of the same length, for `latin1_bytes` to read."""
    return data.decode("latin-1")


def latin1_bytes(text: str) -> bytes:
    """Return the bytes of a text that `latin1_text` made. Raises ValueError for other texts."""
    return text.encode("latin-1")
