"""Sets and removes headers of requests and responses.

A value may have placeholders: `{client.ip}`, `{request.method}`, `{request.path}`, `{request.host}`, `{request.proto}`
and `{request.header.<name>}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pywatt.errors import Problem
from pywatt.http.headers import HOP_BY_HOP, Header, check_header
from pywatt_services.gateway.policies.verdict import PolicyRequest

_PLACE = re.compile(r"\{((?:client|request)\.[^{}]*)\}")
_NOT_OURS = HOP_BY_HOP | {b"content-length", b"host", b"expect"}
_HANDSHAKE = b"sec-websocket-"
_BAD = re.compile(rb"[\x00-\x1f\x7f]")

Part: TypeAlias = "bytes | Callable[[PolicyRequest], bytes]"


@dataclass(frozen=True, slots=True)
class HeaderRules:
    """Changes of headers."""

    set: tuple[tuple[str, str], ...] = ()
    """Names and values; a value that is there already is replaced."""
    remove: tuple[str, ...] = ()


NO_RULES = HeaderRules()

_VALUES: Mapping[str, Callable[[PolicyRequest], bytes]] = {
    "client.ip": lambda request: request.ip,
    "request.method": lambda request: request.head.method,
    "request.path": lambda request: request.head.path,
    "request.host": lambda request: request.head.authority,
    "request.proto": lambda request: b"https" if request.https else b"http",
}


def read_rules(document: Mapping[str, Any], where: str) -> tuple[HeaderRules, list[Problem]]:
    """Read the rules for requests, or for responses."""
    rules = HeaderRules(tuple(document.get("set", {}).items()), tuple(document.get("remove", ())))
    return rules, list(_problems(rules, where))


def _problems(rules: HeaderRules, where: str) -> Iterator[Problem]:
    for name in (*(name for name, _ in rules.set), *rules.remove):
        lower = name.lower().encode()
        if lower in _NOT_OURS or lower.startswith(_HANDSHAKE):
            hint = '"passHostHeader": false sends the origin\'s' if lower == b"host" else "leave it out"
            yield Problem(message=f"the gateway itself writes the header {name!r}", key=where, hint=hint)
    for name, value in rules.set:
        try:
            check_header(name.encode(), value.encode())
        except ValueError as error:
            yield Problem(message=str(error), key=f"{where}.set")
        for place in _PLACE.findall(value):
            if place not in _VALUES and not place.startswith("request.header."):
                known = ", ".join(f"{{{known}}}" for known in (*_VALUES, "request.header.<name>"))
                yield Problem(message=f"{{{place}}} is not known", key=f"{where}.set.{name}", hint=f"known: {known}")


class HeaderChanges:
    """Rules, ready to be applied."""

    def __init__(self, rules: HeaderRules) -> None:
        self._set = [(name.encode(), _parts(value)) for name, value in rules.set]
        self._dropped = frozenset(name.lower().encode() for name in rules.remove) | {
            name.lower() for name, _ in self._set
        }

    def apply(self, request: PolicyRequest, headers: Sequence[Header]) -> list[Header]:
        """Return the headers with the changes."""
        kept = [header for header in headers if header[0].lower() not in self._dropped]
        kept += [(name, _filled(parts, request)) for name, parts in self._set]
        return kept


def _parts(value: str) -> tuple[Part, ...]:
    texts = _PLACE.split(value)
    return tuple(_value_of(text) if index % 2 else text.encode() for index, text in enumerate(texts) if text)


def _value_of(place: str) -> Callable[[PolicyRequest], bytes]:
    known = _VALUES.get(place)
    if known is not None:
        return known
    name = place.removeprefix("request.header.").lower().encode()
    return lambda request: request.header(name)


def _filled(parts: tuple[Part, ...], request: PolicyRequest) -> bytes:
    value = b"".join(part if isinstance(part, bytes) else part(request) for part in parts)
    return _BAD.sub(b"", value)
