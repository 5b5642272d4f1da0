"""Tells which requests are equal, and which responses may be given to all of them (pure)."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from pywatt.http.request import RequestHead
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead

COMPARED = frozenset(
    {
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"authorization",
        b"cookie",
        b"if-match",
        b"if-modified-since",
        b"if-none-match",
        b"if-range",
        b"if-unmodified-since",
        b"origin",
        b"range",
        b"x-forwarded-host",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
    }
)
"""Headers that tell requests apart: whoever asks, what is wanted, how it was reached."""
LARGEST = 1024 * 1024
"""Bytes of a body that is kept for those that wait."""
_UNSHARED = (b"private", b"no-store")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeduplicationOptions:
    """Rules for sending equal requests once."""

    methods: frozenset[str] = frozenset({"GET", "HEAD"})
    headers: tuple[str, ...] = ()
    """Further headers that tell requests apart, in lower case."""
    compares_all: bool = False
    """True when every header tells requests apart."""
    skip_headers: tuple[str, ...] = ()
    """Requests with one of these, in lower case, are sent each."""


def flight_key(options: DeduplicationOptions, request: RequestHead, path: bytes) -> Hashable | None:
    """Return what is the same for equal requests, None for a request that is sent by itself."""
    if request.method.decode("latin-1") not in options.methods or request.websocket or request.expects_continue:
        return None
    compared = COMPARED.union(name.encode() for name in options.headers)
    skipped = {name.encode() for name in options.skip_headers}
    fields: list[tuple[bytes, bytes]] = []
    for name, value in request.headers:
        lower = name.lower()
        if lower in skipped:
            return None
        if options.compares_all or lower in compared:
            fields.append((lower, value))
    return request.method, request.authority, path, request.query, tuple(sorted(fields))


def may_share(options: DeduplicationOptions, head: ResponseHead, size: int | None) -> bool:
    """Tell whether a response may be given to all who wait. `size`: of the whole body; None when it is not known.

    Not one that sets a cookie, that is for one client or that varies by what was not compared.
    """
    if head.status == SWITCHING_PROTOCOLS or size is None or size > LARGEST:
        return False
    compared = COMPARED.union(name.encode() for name in options.headers)
    for name, value in head.lower_headers():
        if name == b"set-cookie":
            return False
        if name == b"cache-control" and any(word in _words(value) for word in _UNSHARED):
            return False
        if name == b"vary" and not compared.issuperset(_words(value)):
            return False
    return True


def _words(value: bytes) -> list[bytes]:
    return [word.partition(b"=")[0].strip().lower() for word in value.split(b",") if word.strip()]
