"""Reads messages of OTLP in protobuf as the documents that their JSON form has (pure)."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pywatt_services.dashboard.otlp.wire_format import as_bytes, as_double, as_int, as_signed, as_text, fields, varints

DEEPEST = 40
"""Levels of messages in a message."""
MOST_ATTRIBUTES = 100
LONGEST_TEXT = 4096
LONGEST_KEY = 256


class Reader(Protocol):
    """Reads the value of a field. Raises ValueError."""

    def __call__(self, value: int | bytes, depth: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str
    """In JSON."""
    read: Reader
    repeated: bool = False
    packed: bool = False
    """True: its numbers may come in one piece, of eight bytes each."""
    varint: bool = False
    """True: in one piece its numbers are varints."""


Message = Mapping[int, Field]


def text(value: int | bytes, _depth: int) -> str:
    """Read a text."""
    return as_text(value)


def octets(value: int | bytes, _depth: int) -> str:
    """Read the id of a trace or span, which is hexadecimal in JSON."""
    return as_bytes(value).hex()


def number(value: int | bytes, _depth: int) -> int:
    """Read a number without a sign."""
    return as_int(value)


def signed(value: int | bytes, _depth: int) -> int:
    """Read an int64 or sfixed64."""
    return as_signed(value)


def zigzag(value: int | bytes, _depth: int) -> int:
    """Read an sint32."""
    found = as_int(value)
    return (found >> 1) ^ -(found & 1)


def double(value: int | bytes, _depth: int) -> float:
    """Read a double."""
    return as_double(value)


def flag(value: int | bytes, _depth: int) -> bool:
    """Read a bool."""
    return bool(as_int(value))


def base64_text(value: int | bytes, _depth: int) -> str:
    """Read bytes, which are base64 in JSON."""
    return base64.b64encode(as_bytes(value)).decode()


def message(fields_of: Message) -> Reader:
    """Return the reader of a message."""
    return lambda value, depth: read_message(fields_of, as_bytes(value), depth + 1)


def read_message(known: Message, data: bytes, depth: int = 0) -> dict[str, Any]:
    """Return the document of a message; fields that are not known are left out. Raises ValueError."""
    if depth > DEEPEST:
        raise ValueError(f"messages are nested more than {DEEPEST} deep")
    found: dict[str, Any] = {}
    for position, value in fields(data):
        field = known.get(position)
        if field is None:
            continue
        if field.packed and isinstance(value, bytes):
            found.setdefault(field.name, []).extend(_packed(field, value, depth))
        elif field.repeated:
            found.setdefault(field.name, []).append(field.read(value, depth))
        else:
            found[field.name] = field.read(value, depth)
    return found


def _packed(field: Field, data: bytes, depth: int) -> Iterable[Any]:
    if field.varint:
        yield from (field.read(each, depth) for each in varints(data))
        return
    if len(data) % 8:
        raise ValueError(f"{field.name} is cut off")
    for (each,) in struct.iter_unpack("<Q", data):
        yield field.read(each, depth)


VALUE: dict[int, Field] = {
    1: Field("stringValue", text),
    2: Field("boolValue", flag),
    3: Field("intValue", signed),
    4: Field("doubleValue", double),
    7: Field("bytesValue", base64_text),
}
PAIR: Message = {1: Field("key", text), 2: Field("value", message(VALUE))}
PAIRS = Field("attributes", message(PAIR), repeated=True)
VALUE[5] = Field("arrayValue", message({1: Field("values", message(VALUE), repeated=True)}))
VALUE[6] = Field("kvlistValue", message({1: Field("values", message(PAIR), repeated=True)}))
RESOURCE: Message = {1: PAIRS}
SCOPE: Message = {1: Field("name", text), 2: Field("version", text)}


def json_document(data: bytes) -> dict[str, Any]:
    """Return the document of a message in JSON. Raises ValueError."""
    try:
        found = json.loads(data)
    except RecursionError as error:
        raise ValueError("the document is nested too deep") from error
    if not isinstance(found, dict):
        raise ValueError("the document is no object")
    return found


def attributes_of(pairs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return attributes as a dictionary, bounded in number and length. Raises what malformed ones make it raise."""
    found = {}
    for pair in list(pairs)[:MOST_ATTRIBUTES]:
        found[str(pair["key"])[:LONGEST_KEY]] = value_of(pair.get("value", {}))
    return found


def value_of(value: Mapping[str, Any], longest: int = LONGEST_TEXT) -> Any:
    """Return the value of an attribute, or of a record's body."""
    for kind, content in value.items():
        match kind:
            case "intValue":
                return int(content)
            case "doubleValue":
                return float(content)
            case "boolValue":
                return bool(content)
            case "arrayValue":
                return [value_of(each, longest) for each in content.get("values", ())[:MOST_ATTRIBUTES]]
            case "kvlistValue":
                return attributes_of(content.get("values", ()))
            case _:
                return cut(str(content), longest)
    return None


def cut(words: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text, shortened if it is too long."""
    return words if len(words) <= longest else words[:longest] + "..."
