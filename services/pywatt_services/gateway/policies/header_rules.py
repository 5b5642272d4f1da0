"""Sets and removes headers of requests and responses.

A value may have placeholders: `{client.ip}`, `{request.method}`, `{request.path}`, `{request.host}`, `{request.proto}`,
`{request.header.<name>}` and `{claim.<path>}`. A header whose placeholders are all empty is not set.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pywatt.errors import Problem
from pywatt.http.headers import HOP_BY_HOP, Header, check_header
from pywatt_services.gateway.policies.verdict import PolicyRequest

_PLACE = re.compile(r"\{((?:client|request|claim)\.[^{}]*)\}")
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
            if place not in _VALUES and not place.startswith(("request.header.", "claim.")):
                known = ", ".join(f"{{{known}}}" for known in (*_VALUES, "request.header.<name>", "claim.<path>"))
                yield Problem(message=f"{{{place}}} is not known", key=f"{where}.set.{name}", hint=f"known: {known}")


class HeaderChanges:
    """Rules, ready to be applied."""

    def __init__(self, rules: HeaderRules) -> None:
        self._set = [(name.encode(), _parts(value)) for name, value in rules.set]
        names = (*(name for name, _ in rules.set), *rules.remove)
        self._dropped = frozenset(name.lower().replace("_", "-").encode() for name in names)

    def apply(self, request: PolicyRequest, headers: Sequence[Header]) -> list[Header]:
        """Return the headers with the changes."""
        # WSGI and CGI cannot tell `X_User` from `X-User`: a client must not forge one by the other.
        kept = [header for header in headers if header[0].lower().replace(b"_", b"-") not in self._dropped]
        kept += [(name, value) for name, parts in self._set if (value := _filled(parts, request)) is not None]
        return kept


def _parts(value: str) -> tuple[Part, ...]:
    texts = _PLACE.split(value)
    return tuple(_value_of(text) if index % 2 else text.encode() for index, text in enumerate(texts) if text)


def _value_of(place: str) -> Callable[[PolicyRequest], bytes]:
    known = _VALUES.get(place)
    if known is not None:
        return known
    if place.startswith("claim."):
        path = place.removeprefix("claim.")
        return lambda request: _text(claim(request.claims, path))
    name = place.removeprefix("request.header.").lower().encode()
    return lambda request: request.header(name)


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """Return the claim of a name, or of a path such as `realm_access.roles`; None without one."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def _text(value: Any) -> bytes:
    """Return a claim as the value of a header: a list has commas, what is nested is JSON."""
    if value is None:
        return b""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ",".join(value).encode("utf-8", "replace")
    return json.dumps(value, separators=(",", ":")).encode()


def _filled(parts: tuple[Part, ...], request: PolicyRequest) -> bytes | None:
    """Return a value; None when all its placeholders are empty."""
    values = [part if isinstance(part, bytes) else part(request) for part in parts]
    filled = [value for part, value in zip(parts, values, strict=True) if not isinstance(part, bytes)]
    if filled and not any(filled):
        return None
    return _BAD.sub(b"", b"".join(values))
