"""Cross-origin resource sharing, by the rules of the Fetch standard (https://fetch.spec.whatwg.org/#http-cors-protocol).

The gateway answers preflights, and says on each response whether the page of another origin may read it. What the
service itself says about CORS is left out: two answers would be none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pywatt.errors import Problem
from pywatt.http.headers import Header, is_token, tokens
from pywatt.http.request import RequestHead
from pywatt_services.diagnostics.backtracking import SlowPattern, check_backtracking
from pywatt_services.gateway.policies.verdict import Answer, PolicyRequest, Verdict

METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE")
LONGEST_ORIGIN = 300
"""Bytes: a scheme, the longest host name and a port."""
_REQUESTED_METHOD = b"access-control-request-method"
_REQUESTED_HEADERS = b"access-control-request-headers"
_OURS = b"access-control-"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#\s]+|null")
_VARY_PREFLIGHT = b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cors:
    """The rights of pages of other origins."""

    origins: tuple[str, ...] = ("*",)
    """`*`: any. `https://*.example.com`: any host below. Else exact."""
    patterns: tuple[str, ...] = ()
    """Regular expressions for whole origins."""
    methods: tuple[str, ...] = METHODS
    allowed_headers: tuple[str, ...] | None = None
    """None: all that a preflight asks for."""
    exposed_headers: tuple[str, ...] = ()
    credentials: bool = False
    """True: with cookies; the response names the origin, not `*`."""
    max_age: int | None = None
    """Seconds for which browsers keep the answer to a preflight."""
    preflight_status: int = 204


def read_cors(value: Any, where: str) -> tuple[Cors | None, list[Problem]]:
    """Read the block, with the keys of @fastify/cors; None: it allows no origin."""
    document: Mapping[str, Any] = {} if value is True else value
    origin = document.get("origin", "*")
    if origin is False:
        return None, []
    entries: Sequence[Any] = origin if isinstance(origin, list) else ["*" if origin is True else origin]
    headers = document.get("allowedHeaders")
    cors = Cors(
        origins=tuple(_spelled(entry) for entry in entries if isinstance(entry, str)),
        patterns=tuple(entry["regexp"] for entry in entries if isinstance(entry, dict)),
        methods=tuple(method.upper() for method in _listed(document.get("methods", METHODS))),
        allowed_headers=None if headers is None or _listed(headers) == ["*"] else tuple(_listed(headers)),
        exposed_headers=tuple(_listed(document.get("exposedHeaders", ()))),
        credentials=document.get("credentials", False),
        max_age=document.get("maxAge"),
        preflight_status=document.get("optionsSuccessStatus", 204),
    )
    return cors, list(_problems(cors, named=origin is not True, where=where))


def _spelled(origin: str) -> str:
    """Return an origin as browsers write it."""
    return origin.strip().rstrip("/").lower()


def _listed(value: str | Sequence[str]) -> list[str]:
    texts = value.split(",") if isinstance(value, str) else value
    return [stripped for text in texts if (stripped := text.strip())]


def _problems(cors: Cors, *, named: bool, where: str) -> Iterator[Problem]:
    if cors.credentials and "*" in cors.origins and named:
        yield Problem(
            message='"credentials" with the origin "*" would let every page on the internet act as the user',
            key=f"{where}.origin",
            hint='name the origins, such as ["https://app.example.com"]',
        )
    for origin in cors.origins:
        if origin != "*" and _ORIGIN.fullmatch(origin) is None:
            hint = 'such as "https://app.example.com", "https://*.example.com" or "*"'
            yield Problem(message=f"{origin!r} is not an origin", key=f"{where}.origin", hint=hint)
    for pattern in cors.patterns:
        try:
            re.compile(pattern)
            check_backtracking(pattern)
        except re.error as error:
            yield Problem(message=f"{pattern!r} is not a regular expression: {error}", key=f"{where}.origin")
        except SlowPattern as error:
            message = f"a client could make the gateway search for very long with {pattern!r}: {error}"
            yield Problem(message=message, key=f"{where}.origin", hint="make the repeats exclude each other")
    for name, values in (
        ("methods", cors.methods),
        ("allowedHeaders", cors.allowed_headers or ()),
        ("exposedHeaders", cors.exposed_headers),
    ):
        for value in values:
            if not is_token(value.encode()):
                yield Problem(message=f"{value!r} is not a name", key=f"{where}.{name}")
    if cors.credentials and "*" in cors.exposed_headers:
        yield Problem(
            message='with "credentials", "*" in exposedHeaders is the name of a header',
            key=f"{where}.exposedHeaders",
            hint="name the headers",
        )


def is_preflight(head: RequestHead) -> bool:
    """Tell whether a browser asks what a page may do."""
    if head.method != b"OPTIONS":
        return False
    names = {name.lower() for name, _ in head.headers}
    return b"origin" in names and _REQUESTED_METHOD in names


def requested_method(head: RequestHead) -> bytes | None:
    """Return the method that a preflight asks for; None for another request."""
    if not is_preflight(head):
        return None
    return next(value for name, value in head.headers if name.lower() == _REQUESTED_METHOD)


class CorsPolicy:
    """Answers preflights, and gives responses their headers."""

    def __init__(self, options: Cors) -> None:
        self._options = options
        self._any = "*" in options.origins
        self._exact = frozenset(origin.encode() for origin in options.origins if "*" not in origin)
        patterns = [
            re.escape(origin).replace(r"\*", "[a-z0-9.-]+")
            for origin in options.origins
            if "*" in origin and origin != "*"
        ]
        self._patterns = [re.compile(pattern.encode()) for pattern in (*patterns, *options.patterns)]
        self._same_for_all = self._any and not options.credentials
        self._methods = ", ".join(options.methods).encode()
        allowed = options.allowed_headers
        self._headers = None if allowed is None else ", ".join(allowed).encode()
        self._fixed: list[Header] = [(b"access-control-allow-credentials", b"true")] if options.credentials else []
        self._exposed: list[Header] = []
        if options.exposed_headers:
            exposed = ", ".join(options.exposed_headers).encode()
            self._exposed = [(b"access-control-expose-headers", exposed)]

    def allows(self, origin: bytes) -> bool:
        """Tell whether pages of that origin may read responses."""
        if not origin or len(origin) > LONGEST_ORIGIN:
            return False
        if self._any:
            # Pages in sandboxes and files share the origin `null`, which so stands for nobody.
            return origin != b"null" or self._same_for_all or b"null" in self._exact
        return origin in self._exact or any(pattern.fullmatch(origin) for pattern in self._patterns)

    def check(self, request: PolicyRequest) -> Verdict:
        """Return the answer to a preflight; None for any other request."""
        head = request.head
        if not is_preflight(head):
            return None
        options = self._options
        headers: list[Header] = []
        if self.allows(request.header(b"origin")):
            headers.append((b"access-control-allow-methods", self._methods))
            asked = b", ".join(request.values(_REQUESTED_HEADERS))
            names = self._headers
            if names is None:
                names = b", ".join(name for name in tokens(asked) if is_token(name))
            if names:
                headers.append((b"access-control-allow-headers", names))
            if options.max_age is not None:
                headers.append((b"access-control-max-age", b"%d" % options.max_age))
        return Answer(options.preflight_status, headers)

    def apply(self, request: PolicyRequest, headers: list[Header]) -> list[Header]:
        """Return a response's headers with those of CORS, and without the service's own."""
        preflight = is_preflight(request.head)
        kept = [header for header in headers if preflight or not header[0].lower().startswith(_OURS)]
        origin = request.header(b"origin")
        if self.allows(origin):
            kept.append((b"access-control-allow-origin", b"*" if self._same_for_all else origin))
            kept += self._fixed
            if not preflight:
                kept += self._exposed
        # The response to another origin, or to none, would be another one: caches have to know.
        if preflight:
            return with_vary(kept, _VARY_PREFLIGHT)
        return kept if self._same_for_all else with_vary(kept, b"Origin")


def with_vary(headers: list[Header], names: bytes) -> list[Header]:
    """Return headers whose Vary has these names as well."""
    present = [value for name, value in headers if name.lower() == b"vary"]
    known = {token for value in present for token in tokens(value)}
    if b"*" in known:
        return headers
    missing = [name for part in names.split(b",") if (name := part.strip()).lower() not in known]
    if not missing:
        return headers
    kept = [header for header in headers if header[0].lower() != b"vary"]
    return [*kept, (b"vary", b", ".join([*present, *missing]))]
