"""W3C baggage: https://www.w3.org/TR/baggage/ (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote_to_bytes

MAX_BYTES = 8192
MAX_MEMBERS = 180
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*"
_OWS = r"[ \t]*"
_PROPERTY = rf"{_OWS};{_OWS}{_NAME}(?:{_OWS}={_OWS}{_VALUE})?"
_MEMBER = re.compile(rf"({_NAME}){_OWS}={_OWS}({_VALUE})((?:{_PROPERTY})*)")
_SAFE = "!#$&'()*+-./:<=>?@[]^_`{|}~"
"""Characters that a value has as they are; `%` is none of them."""
_WHOLE_NAME = re.compile(_NAME)


def valid_baggage(text: str) -> str:
    """Return the valid members of a header's value, as they are; empty when it is too long or has none."""
    if len(text) > MAX_BYTES:
        return ""
    members = [member for part in text.split(",") if _MEMBER.fullmatch(member := part.strip(" \t"))]
    return ",".join(members[:MAX_MEMBERS])


def parse_baggage(text: str) -> dict[str, str]:
    """Return the members of a header's value, decoded and without their properties; of two of one name the last."""
    found = (_MEMBER.fullmatch(member) for member in valid_baggage(text).split(","))
    return {match[1]: unquote_to_bytes(match[2]).decode("utf-8", "replace") for match in found if match}


def format_baggage(members: Mapping[str, str]) -> str:
    """Return a header's value. Raises ValueError for a name that is not a token."""
    for name in members:
        if not _WHOLE_NAME.fullmatch(name):
            raise ValueError(f"not a name of baggage, which is a token: {name!r}")
    return ",".join(f"{name}={quote(value, safe=_SAFE)}" for name, value in members.items())
