"""Reads the wire format of Protocol Buffers: fields by number, without a schema or a dependency (pure)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10
"""Bytes."""

Field = tuple[int, int | bytes]


def fields(data: bytes) -> Iterator[Field]:
    """Yield number and value of each field: an int for numbers of any kind. Raises ValueError for a malformed one."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            size, at = _varint(data, at)
        elif kind in (FIXED64, FIXED32):
            size = 8 if kind == FIXED64 else 4
        else:
            raise ValueError(f"the field {number} has the unknown wire type {kind}")
        if at + size > end:
            raise ValueError(f"the field {number} is cut off")
        chunk = data[at : at + size]
        at += size
        yield number, chunk if kind == BYTES else int.from_bytes(chunk, "little")


def varints(data: bytes) -> Iterator[int]:
    """Yield the numbers of a packed field. Raises ValueError."""
    at = 0
    while at < len(data):
        value, at = _varint(data, at)
        yield value


def as_bytes(value: int | bytes) -> bytes:
    """Return the value of a field that is text, bytes or a message. Raises ValueError."""
    if not isinstance(value, bytes):
        raise ValueError("a number stands where bytes belong")
    return value


def as_text(value: int | bytes) -> str:
    """Return the value of a text field. Raises ValueError."""
    return as_bytes(value).decode("utf-8", "replace")


def as_int(value: int | bytes) -> int:
    """Return the value of a number field. Raises ValueError."""
    if not isinstance(value, int):
        raise ValueError("bytes stand where a number belongs")
    return value


def as_signed(value: int | bytes) -> int:
    """Return the value of an int64 field. Raises ValueError."""
    number = as_int(value)
    return number - (1 << 64) if number >= 1 << 63 else number


def as_double(value: int | bytes) -> float:
    """Return the value of a double field. Raises ValueError."""
    (number,) = struct.unpack("<d", as_int(value).to_bytes(8, "little"))
    return float(number)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for length in range(LONGEST_VARINT):
        if at + length >= len(data):
            break
        byte = data[at + length]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # no further byte follows
            return value & ((1 << 64) - 1), at + length + 1
        shift += 7
    raise ValueError("a number is cut off")
