"""Heads of stored responses, and the places of responses in the cache (pure)."""

from __future__ import annotations

import enum
from dataclasses import replace
from hashlib import blake2b
from urllib.parse import urljoin, urlsplit

from pywatt.http.headers import Header
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import ResponseHead
from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.response_cache import Place
from pywatt_services.gateway.cache.rules import OF_304
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.forwarding import last_value, outer_prefix
from pywatt_services.gateway.routes import Route

SAFE = (b"GET", b"HEAD", b"OPTIONS")
CACHE = b"pywatt"
"""Name of this cache in Cache-Status (RFC 9211)."""


class Outcome(enum.Enum):
    """The cache's part in a response: the value of X-Cache, and what Cache-Status says."""

    HIT = (b"HIT", b"hit")
    STALE = (b"STALE", b"hit")
    REVALIDATED = (b"REVALIDATED", b"hit; fwd=stale; fwd-status=304")
    MISS = (b"MISS", b"fwd=uri-miss")
    EXPIRED = (b"EXPIRED", b"fwd=stale")
    BYPASS = (b"BYPASS", b"fwd=bypass")

    @property
    def shown(self) -> bytes:
        """The value of X-Cache."""
        return self.value[0]

    @property
    def status(self) -> bytes:
        """The parameters of Cache-Status."""
        return self.value[1]


def place_of(request: RequestHead, route: Route, path: bytes, base_path: bytes, client: ClientAddress) -> Place:
    """Return the place of a response: what a service may make it of, beside the headers that it names in Vary."""
    host, scheme = request.authority, client.scheme
    if client.trusted:
        base_path = outer_prefix(request) + base_path
        host = last_value(request, b"x-forwarded-host") or host
        scheme = last_value(request, b"x-forwarded-proto") or scheme
    host = host.lower()
    target = path + request.query
    digest = blake2b(digest_size=16)
    for part in (route.id.encode(), route.hostname, route.prefix, scheme, host, base_path, target):
        digest.update(b"%d:%b" % (len(part), part))
    return Place(digest.digest(), host.decode("latin-1"), target.decode("latin-1"))


def cached_head(entry: Entry, outcome: Outcome, now: float, *, known: bool) -> ResponseHead:
    """Return the head of a stored response. `known`: the client has it, and gets a 304."""
    age = entry.age_at(now)
    headers = [(name, value) for name, value in entry.headers if name != b"age" and (not known or name in OF_304)]
    ttl = int(entry.lifetime) - int(age)
    status = b"%b; %b; ttl=%d" % (CACHE, outcome.status, ttl)
    headers += [(b"age", b"%d" % age), (b"cache-status", status), (b"x-cache", outcome.shown)]
    return ResponseHead(
        status=304 if known else entry.status,
        headers=headers,
        content_length=None if known or entry.status == 204 else len(entry.body),
        until_close=False,
        keep_alive=True,
        dated=True,
        addressed=entry.addressed,
    )


def with_status(head: ResponseHead, outcome: Outcome, *, stored: bool = False) -> ResponseHead:
    """Return the head of a service's response with what the cache did."""
    status = b"%b; %b%b" % (CACHE, outcome.status, b"; stored" if stored else b"")
    added: list[Header] = [(b"cache-status", status), (b"x-cache", outcome.shown)]
    return replace(head, headers=[*head.headers, *added])


def not_cached() -> tuple[int, list[Header], bytes]:
    """Return the response to a request that asks for a stored one only."""
    return 504, [JSON, (b"cache-status", b"pywatt; fwd=request")], error_body(504, "there is no stored response")


def invalidated_targets(place: Place, head: ResponseHead) -> set[str]:
    """Return the targets whose responses an unsafe request has made wrong (RFC 9111 4.4)."""
    targets = {place.target}
    for name, value in head.lower_headers():
        if name in (b"location", b"content-location"):
            try:
                parts = urlsplit(urljoin(f"//{place.host}{place.target}", value.decode("latin-1")))
            except ValueError:
                continue
            if parts.netloc.lower() == place.host:
                targets.add(parts.path + (f"?{parts.query}" if parts.query else ""))
    return targets
