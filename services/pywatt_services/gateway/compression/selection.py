"""Decides which responses are compressed, in which coding, and what their headers are then (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from pywatt.http.headers import OWS, Header, Headers, tokens

NO_BODY = frozenset({204, 205})
PARTIAL_CONTENT = 206
NOT_MODIFIED = 304
IDENTITY = b"identity"
DROPPED = frozenset({b"accept-ranges", b"content-digest", b"content-md5", b"digest", b"repr-digest"})
"""Fields that hold for the body as the service sent it."""
_QUALITY = re.compile(rb"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")
_STRONG = re.compile(rb'"[^"]*"')
MOST_MEMBERS = 32
EVENT_STREAM = b"text/event-stream"


@lru_cache(maxsize=512)
def choose(accept: bytes, codings: tuple[bytes, ...]) -> bytes | None:
    """Return the coding that a client likes best, of equal ones the first; None: it gets the body as it is.

    `accept`: the fields Accept-Encoding, joined by commas (RFC 9110 12.5.3); without any, nothing was asked for.
    """
    qualities: dict[bytes, float] = {}
    for member in accept.lower().split(b",")[:MOST_MEMBERS]:
        name, _, rest = member.partition(b";")
        key, equals, value = rest.partition(b"=")
        quality = 1.0
        if equals and key.strip(OWS) == b"q":
            if _QUALITY.fullmatch(value.strip(OWS)) is None:
                continue
            quality = float(value.strip(OWS))
        name = name.strip(OWS)
        qualities[b"gzip" if name == b"x-gzip" else name] = quality
    rest_quality = qualities.get(b"*", 0.0)
    found = max(codings, key=lambda coding: qualities.get(coding, rest_quality), default=None)
    if found is None:
        return None
    quality = qualities.get(found, rest_quality)
    # Preferred to what was not mentioned, but not to what is liked better.
    return found if quality > 0 and quality >= qualities.get(IDENTITY, 0.0) else None


class Selection:
    """The responses of a route that are compressed, whatever coding clients take."""

    def __init__(self, types: Sequence[str], min_size: int) -> None:
        alternatives = (re.escape(kind).replace(r"\*", r"[^/;]+") for kind in types)
        self._types = re.compile("|".join(alternatives).encode())
        self._min_size = min_size

    def takes(self, status: int, headers: Iterable[Header], length: int | None) -> bool:
        """Tell whether a response is compressed. `headers`: names in lower case. `length`: of the body, if known."""
        if status < 200 or status in NO_BODY or status in (PARTIAL_CONTENT, NOT_MODIFIED):
            return False
        if length is not None and length < self._min_size:
            return False
        kind = b""
        for name, value in headers:
            if name == b"content-type":
                kind = value.partition(b";")[0].strip(OWS).lower()
            elif name == b"content-encoding":
                if value.strip(OWS).lower() not in (b"", IDENTITY):
                    return False
            elif name == b"cache-control" and b"no-transform" in tokens(value):
                return False
        return self._types.fullmatch(kind) is not None


def with_vary(headers: Headers) -> list[Header]:
    """Return headers that tell caches of the dependence on Accept-Encoding."""
    for name, value in headers:
        if name.lower() == b"vary" and {b"*", b"accept-encoding"} & set(tokens(value)):
            return list(headers)
    return [*headers, (b"vary", b"Accept-Encoding")]


def compressed_headers(headers: Headers, coding: bytes) -> list[Header]:
    """Return the headers of a response whose body gets a coding."""
    kept = [
        (name, b"W/" + value if lower == b"etag" and _STRONG.fullmatch(value) else value)
        for name, value in headers
        if (lower := name.lower()) not in DROPPED and lower != b"content-encoding"
    ]
    return [*with_vary(kept), (b"content-encoding", coding)]


def weak(headers: Headers) -> list[Header]:
    """Return the headers of a 304, whose ETag is that of the response which would be compressed."""
    return [
        (name, b"W/" + value if name.lower() == b"etag" and _STRONG.fullmatch(value) else value)
        for name, value in headers
    ]
