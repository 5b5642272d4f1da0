"""Which service a request goes to, and under which path it arrives there."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pywatt.mesh.address import Destination, locate
from pywatt_services.gateway.options import ALL_ROUTES, ProxyOptions

SLASH = ord("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One service behind the gateway, ready for matching."""

    id: str
    prefix: bytes
    rewrite_prefix: bytes
    destination: Destination
    authority: bytes
    """The upstream's Host."""
    after_target: bytes
    """The end of a request line and the Host line, which are the same for every request."""
    methods: frozenset[bytes]
    paths: re.Pattern[bytes] | None
    """What follows the prefix must match this; None: anything goes."""
    rewrite_location: bool

    def takes(self, method: bytes, path: bytes) -> bool:
        """Tell whether the request belongs to this route."""
        prefix = self.prefix
        if method not in self.methods or not path.startswith(prefix):
            return False
        if prefix and len(path) != len(prefix) and path[len(prefix)] != SLASH:
            return False
        return self.paths is None or self.paths.fullmatch(path[len(prefix) :] or b"/") is not None

    def upstream_path(self, path: bytes) -> bytes:
        """Return the path under which the service gets the request."""
        rest = self.rewrite_prefix + path[len(self.prefix) :]
        start = rest[:2]
        # `//host` would be an authority to whatever resolves the path as a reference.
        return rest if start[:1] == b"/" and start != b"//" else b"/" + rest.lstrip(b"/")

    def public_location(self, location: bytes, base_path: bytes) -> bytes:
        """Return a Location of the service as clients have to see it."""
        own = b"http://" + self.authority
        if location.startswith(own) and location[len(own) : len(own) + 1] in (b"", b"/"):
            location = location[len(own) :] or b"/"
        elif not location.startswith(b"/") or location.startswith(b"//"):
            return location
        if self.rewrite_prefix and has_prefix(location, self.rewrite_prefix):
            location = location[len(self.rewrite_prefix) :]
        return base_path + self.prefix + location


class RouteTable:
    """All routes; the longest prefix wins, segment by segment."""

    def __init__(self, proxies: Iterable[ProxyOptions]) -> None:
        by_first: dict[bytes, list[Route]] = {}
        everything: list[Route] = []
        self._hosts: dict[bytes, Route] = {}
        for proxy in proxies:
            route = _route(proxy, proxy.prefix)
            if route.prefix:
                by_first.setdefault(_first_segment(route.prefix), []).append(route)
            else:
                everything.append(route)
            if proxy.hostname:
                self._hosts[proxy.hostname.encode()] = _route(proxy, "")
        self._everything = tuple(everything)
        self._by_first = {
            first: tuple(sorted(routes, key=lambda route: len(route.prefix), reverse=True)) + self._everything
            for first, routes in by_first.items()
        }

    def find(self, method: bytes, authority: bytes, path: bytes) -> Route | None:
        """Return the route of a request, None when there is none."""
        if self._hosts:
            authority = authority.lower()
            route = self._hosts.get(authority) or self._hosts.get(authority.rpartition(b":")[0])
            if route is not None:
                return route if route.takes(method, path) else None
        end = path.find(b"/", 1)
        for route in self._by_first.get(path[1:end] if end > 0 else path[1:], self._everything):
            if route.takes(method, path):
                return route
        return None


def has_prefix(path: bytes, prefix: bytes) -> bool:
    """Tell whether the path lies below the prefix, or is it; the empty prefix holds everything."""
    return path.startswith(prefix) and (len(path) == len(prefix) or not prefix or path[len(prefix)] == SLASH)


def _first_segment(path: bytes) -> bytes:
    end = path.find(b"/", 1)
    return path[1:end] if end > 0 else path[1:]


def _route(proxy: ProxyOptions, prefix: str) -> Route:
    location = locate(proxy.origin)
    methods = {method.encode() for method in proxy.methods}
    if b"GET" in methods:
        methods.add(b"HEAD")
    return Route(
        id=proxy.id,
        prefix=prefix.encode(),
        rewrite_prefix=proxy.rewrite_prefix.encode(),
        destination=location.destination,
        authority=location.authority,
        after_target=b" HTTP/1.1\r\nhost: %b\r\n" % location.authority,
        methods=frozenset(methods),
        paths=None if set(proxy.routes) >= set(ALL_ROUTES) else _pattern(proxy.routes),
        rewrite_location=proxy.rewrite_location,
    )


def _pattern(routes: Iterable[str]) -> re.Pattern[bytes]:
    """Return what matches any of the routes, written as the original's router has them."""
    return re.compile(
        "|".join(
            re.sub(r":[A-Za-z0-9_]+", "[^/]+", re.escape(route).replace(r"\*", ".*").replace(r"\:", ":"))
            for route in routes
        ).encode()
    )
