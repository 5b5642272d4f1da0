"""The decisions of a shared cache (RFC 9111, RFC 5861), as pure functions. `headers`: names in lower case."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b

from pywatt.http.headers import Header, tokens
from pywatt_services.gateway.cache import directives as cc
from pywatt_services.gateway.cache.directives import Directives, date, directives, etag_of, has_same_tag, seconds
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import CacheOptions

STORABLE = frozenset({200, 203, 204, 300, 301, 302, 307, 308, 404, 405, 410, 414, 451, 501})
"""Statuses of responses that are stored where they say for how long."""
BY_DEFAULT = frozenset({200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501})
"""Of these, also where they do not (RFC 9110 15.1)."""
FAILURES = frozenset({500, 502, 503, 504})
"""Statuses in place of which a stale response may be used (RFC 5861 4)."""
MOST_TAGS = 64
LONGEST_TAG = 256
CONDITIONS = frozenset({b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since"})
OF_304 = frozenset(
    {
        b"cache-control",
        b"cache-tag",
        b"content-location",
        b"date",
        b"etag",
        b"expires",
        b"last-modified",
        b"set-cookie",
        b"vary",
    }
)
"""Headers that a 304 has, too."""
OF_THE_BODY = frozenset({b"content-encoding", b"content-length", b"content-range", b"content-type"})
"""Headers that a 304 does not change (RFC 9111 3.2)."""


class Use(enum.Enum):
    """The use of a stored response for a request."""

    FRESH = "fresh"
    WHILE_REVALIDATE = "while-revalidate"
    """It is used, and fetched anew at the same time."""
    VALIDATE = "validate"
    """The service is asked first whether it is still right."""
    NONE = "none"


def bypasses(headers: Sequence[Header]) -> bool:
    """Tell whether a request neither gets a stored response, nor fills the cache."""
    if cc.NO_STORE in directives(headers):
        return True
    return any(name in (b"range", b"if-match", b"if-unmodified-since", b"if-range") for name, _ in headers)


def use_of(entry: Entry, headers: Sequence[Header], now: float) -> Use:
    """Return what is done with a stored response for a request."""
    asked = directives(headers)
    if not entry.for_authorized and any(name == b"authorization" for name, _ in headers):
        return Use.NONE
    validate = Use.VALIDATE if entry.etag or entry.last_modified else Use.NONE
    without_directives = not asked and any(
        name == b"pragma" and b"no-cache" in tokens(value) for name, value in headers
    )
    if entry.validate or cc.NO_CACHE in asked or without_directives:
        return validate
    age = entry.age_at(now)
    limit = seconds(asked, cc.MAX_AGE)
    if limit is not None and age > limit:
        return validate
    if age + (seconds(asked, cc.MIN_FRESH) or 0) < entry.lifetime:
        return Use.FRESH
    if cc.MIN_FRESH not in asked and age < entry.lifetime + entry.while_revalidate:
        return Use.WHILE_REVALIDATE
    return validate


def replaces_failure(entry: Entry, headers: Sequence[Header], now: float) -> bool:
    """Tell whether a stored response may be used in place of a failure."""
    if entry.validate or (not entry.for_authorized and any(name == b"authorization" for name, _ in headers)):
        return False
    return entry.age_at(now) < entry.lifetime + entry.if_error


def store(
    options: CacheOptions, request: Sequence[Header], status: int, headers: Sequence[Header], now: float, waited: float
) -> Entry | None:
    """Return a response, without its body, as it is stored; None: it must not be, or it is of no use.

    `waited`: seconds from the request to this response.
    """
    said = directives(headers)
    if status not in STORABLE or cc.NO_STORE in said or cc.PRIVATE in said or cc.NO_STORE in directives(request):
        return None
    names = {name for name, _ in headers}
    if b"set-cookie" in names or b"content-range" in names:
        return None
    vary = vary_of(headers)
    if vary is None:
        return None
    requested = {name for name, _ in request}
    for_authorized = bool({cc.PUBLIC, cc.S_MAXAGE, cc.MUST_REVALIDATE} & said.keys())
    if b"authorization" in requested and not for_authorized:
        return None
    sent = _date_of(headers, b"date")
    lifetime = _lifetime(said, headers, now if sent is None else sent)
    if lifetime is None:
        # Whether it is somebody's own is not known.
        if options.default_ttl is None or status not in BY_DEFAULT or {b"cookie", b"authorization"} & requested:
            return None
        lifetime = options.default_ttl
    etag, modified = etag_of(headers), next((value for name, value in headers if name == b"last-modified"), b"")
    modified = modified if date(modified) is not None else b""
    strict = bool({cc.MUST_REVALIDATE, cc.PROXY_REVALIDATE, cc.NO_CACHE} & said.keys())
    entry = Entry(
        status=status,
        headers=tuple(headers),
        body=b"",
        stored_at=now,
        age=_age(headers, sent, now, waited),
        lifetime=lifetime,
        while_revalidate=0.0 if strict else _grace(said, cc.STALE_WHILE_REVALIDATE, options.stale_while_revalidate),
        if_error=0.0 if strict else _grace(said, cc.STALE_IF_ERROR, options.stale_if_error),
        validate=cc.NO_CACHE in said,
        for_authorized=for_authorized,
        vary=vary,
        etag=etag,
        last_modified=modified,
        tags=_tags(headers, options.tags_header),
    )
    lasts = not entry.validate and entry.age < entry.lifetime + max(entry.while_revalidate, entry.if_error)
    return entry if lasts or etag or modified else None


def refreshed(
    options: CacheOptions, entry: Entry, request: Sequence[Header], headers: Sequence[Header], now: float, waited: float
) -> Entry | None:
    """Return a stored response that the service has called still right by a 304; None: it must not be kept."""
    new = {name for name, _ in headers} - OF_THE_BODY
    merged = [header for header in entry.headers if header[0] not in new and header[0] != b"age"]
    merged += [header for header in headers if header[0] not in OF_THE_BODY]
    made = store(options, request, entry.status, merged, now, waited)
    return None if made is None else replace(made, body=entry.body, addressed=entry.addressed)


def vary_of(headers: Sequence[Header]) -> tuple[bytes, ...] | None:
    """Return the request headers that a response depends on, in order; None: on more than that."""
    names = {name for each, value in headers if each == b"vary" for name in tokens(value)}
    return None if b"*" in names else tuple(sorted(names))


def variant_key(primary: bytes, vary: Sequence[bytes], headers: Sequence[Header]) -> bytes:
    """Return the key of the response for a request. `vary`: the headers that it depends on."""
    digest = blake2b(primary, digest_size=16)
    for name in vary:
        values = [b"".join(value.split()) for each, value in headers if each == name]
        joined = b",".join(values)
        digest.update(b"%b\0%d\0%b\0" % (name, len(values) and 1, joined))
    return digest.digest()


def conditions(entry: Entry) -> list[Header]:
    """Return the request headers that ask whether a stored response is still right."""
    found = [(b"if-none-match", entry.etag)] if entry.etag else []
    return [*found, (b"if-modified-since", entry.last_modified)] if entry.last_modified else found


def is_known_to_client(entry: Entry, headers: Sequence[Header]) -> bool:
    """Tell whether a request has a condition by which a stored response is answered with 304."""
    if entry.status != 200:
        return False
    none_match = b",".join(value for name, value in headers if name == b"if-none-match")
    if none_match:
        return has_same_tag(none_match, entry.etag)
    since = next((date(value) for name, value in headers if name == b"if-modified-since"), None)
    modified = date(entry.last_modified)
    return since is not None and modified is not None and modified <= since


def _lifetime(said: Directives, headers: Sequence[Header], sent: float) -> float | None:
    for name in (cc.S_MAXAGE, cc.MAX_AGE):
        limit = seconds(said, name)
        if limit is not None:
            return float(limit)
    expires = [value for name, value in headers if name == b"expires"]
    if expires:
        until = date(expires[0]) if len(set(expires)) == 1 else None
        return 0.0 if until is None else max(0.0, until - sent)
    return 0.0 if cc.NO_CACHE in said else None


def _age(headers: Sequence[Header], sent: float | None, now: float, waited: float) -> float:
    value = next((value for name, value in headers if name == b"age"), b"0").strip()
    told = min(int(value), cc.LONGEST) if value.isdigit() and len(value) < 20 else 0
    apparent = 0.0 if sent is None else max(0.0, now - sent)
    # Dates have whole seconds: a part of one is no age.
    return max(apparent if apparent >= 1.0 else 0.0, told + waited)


def _grace(said: Directives, name: bytes, default: float) -> float:
    limit = seconds(said, name)
    return default if limit is None else float(limit)


def _date_of(headers: Sequence[Header], wanted: bytes) -> float | None:
    return next((date(value) for name, value in headers if name == wanted), None)


def _tags(headers: Sequence[Header], tags_header: bytes | None) -> tuple[str, ...]:
    found: list[bytes] = []
    for name, value in headers:
        if name == tags_header or (tags_header is None and name == b"cache-tag"):
            found += value.split(b",")
        elif tags_header is None and name == b"surrogate-key":
            found += value.split()
    tags = (tag.strip().decode("latin-1") for tag in found)
    return tuple(dict.fromkeys(tag for tag in tags if 0 < len(tag) <= LONGEST_TAG))[:MOST_TAGS]
