"""Routes of a gateway: the service for a request, and the path under which it arrives there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pywatt.http.request import RequestHead
from pywatt.mesh.address import Destination, locate
from pywatt.mesh.resolver import mesh_id
from pywatt_services.gateway.openapi.paths import DocumentedPaths
from pywatt_services.gateway.options import ALL_ROUTES, ProxyOptions
from pywatt_services.gateway.policies.cors import requested_method

SLASH = ord("/")
HTTP_PROTO = b"x-forwarded-proto: http\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way to one service behind the gateway, ready for matching."""

    id: str
    hostname: bytes
    """The only host that the route serves, in lower case; empty: any that no other route names."""
    prefix: bytes
    rewrite_prefix: bytes
    mount: bytes | None
    """The prefix of the service's own paths in their public form; None: another prefix replaced it."""
    told: bytes
    """Header lines that are the same for most requests: the protocol, and the mount where nothing stands before it."""
    destination: Destination
    authority: bytes
    """The origin's host and port."""
    sends_host: bool
    """True when the service gets the client's Host; else it gets the origin's."""
    methods: frozenset[bytes] | None
    """None: every method."""
    paths: re.Pattern[bytes] | DocumentedPaths | None
    """Pattern for the path behind the prefix; None: any path."""
    rewrite_location: bool
    options: ProxyOptions
    number: int
    """Its place among all routes."""
    own_exchange: int | None = None
    """Its number when it has policies, and so a class of exchanges of its own."""

    def takes(self, method: bytes, path: bytes) -> bool:
        """Tell whether the request belongs to this route."""
        prefix = self.prefix
        if (self.methods is not None and method not in self.methods) or not path.startswith(prefix):
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


class Prefixes:
    """The routes of one host; the longest prefix wins, segment by segment."""

    def __init__(self, routes: Sequence[Route]) -> None:
        by_first: dict[bytes, list[Route]] = {}
        self._everything = tuple(route for route in routes if not route.prefix)
        for route in routes:
            if route.prefix:
                by_first.setdefault(_first_segment(route.prefix), []).append(route)
        self._by_first = {
            first: tuple(sorted(found, key=lambda route: len(route.prefix), reverse=True)) + self._everything
            for first, found in by_first.items()
        }

    def in_order(self) -> tuple[Route, ...]:
        """Return all routes, in the order in which a request is compared with them."""
        prefixed = {id(route): route for routes in self._by_first.values() for route in routes if route.prefix}
        return (*sorted(prefixed.values(), key=lambda route: len(route.prefix), reverse=True), *self._everything)

    def candidates(self, path: bytes) -> tuple[Route, ...]:
        """Return the routes whose prefix the path may have, longest first."""
        end = path.find(b"/", 1)
        return self._by_first.get(path[1:end] if end > 0 else path[1:], self._everything)

    def find(self, method: bytes, path: bytes) -> Route | None:
        """Return the route of a request, None when there is none."""
        end = path.find(b"/", 1)
        for route in self._by_first.get(path[1:end] if end > 0 else path[1:], self._everything):
            if route.takes(method, path):
                return route
        return None


class RouteTable:
    """All routes. A host that a route names has no others than those that name it."""

    def __init__(self, proxies: Iterable[ProxyOptions]) -> None:
        self.routes = routes = tuple(_route(proxy, number) for number, proxy in enumerate(proxies))
        """In the order of the options."""
        self.answers_preflights = any(route.options.policies.cors is not None for route in routes)
        """True when a route has the policy `cors`."""
        hosts = dict.fromkeys(route.hostname for route in routes if route.hostname)
        self._hosts = {host: Prefixes([route for route in routes if route.hostname == host]) for host in hosts}
        self._any_host = Prefixes([route for route in routes if not route.hostname])
        self._services: dict[str, Route] = {}
        for route in routes:
            service = mesh_id(route.authority)
            if service is not None and (service not in self._services or self._services[service].hostname):
                self._services[service] = route

    def find(self, method: bytes, authority: bytes, path: bytes) -> Route | None:
        """Return the route of a request, None when there is none."""
        return (self._of_host(authority) if self._hosts else self._any_host).find(method, path)

    def of_preflight(self, head: RequestHead, path: bytes) -> Route | None:
        """Return the route that answers this preflight of a browser: the one of the request that would follow."""
        method = requested_method(head)
        route = self.find(method, head.authority, path) if method is not None else None
        return None if route is None or route.options.policies.cors is None else route

    def with_prefix(self, authority: bytes, path: bytes) -> Route | None:
        """Return the route that has a prefix of this path, for any method."""
        candidates = self._of_host(authority).candidates(path)
        return next((route for route in candidates if route.prefix and has_prefix(path, route.prefix)), None)

    def of_service(self, service: str) -> Route | None:
        """Return a route to a service of the app, one that serves any host if there is one."""
        return self._services.get(service)

    def asked(self, authority: bytes) -> tuple[Route, ...]:
        """Return the routes that a request to this host is compared with, in that order."""
        return self._of_host(authority).in_order()

    def _of_host(self, authority: bytes) -> Prefixes:
        authority = authority.lower()
        host = authority.rpartition(b":")[0] if not authority.endswith(b"]") else b""
        return self._hosts.get(authority) or self._hosts.get((host or authority).rstrip(b".")) or self._any_host


def has_prefix(path: bytes, prefix: bytes) -> bool:
    """Tell whether the path lies below the prefix, or is it; the empty prefix holds everything."""
    return path.startswith(prefix) and (len(path) == len(prefix) or not prefix or path[len(prefix)] == SLASH)


def _first_segment(path: bytes) -> bytes:
    end = path.find(b"/", 1)
    return path[1:end] if end > 0 else path[1:]


def _route(proxy: ProxyOptions, number: int) -> Route:
    location = locate(proxy.origin)
    methods = None if proxy.methods is None else {method.encode() for method in proxy.methods}
    if methods and b"GET" in methods:
        methods.add(b"HEAD")
    prefix, rewrite_prefix = proxy.prefix.encode(), proxy.rewrite_prefix.encode()
    mount = prefix.removesuffix(rewrite_prefix) if prefix.endswith(rewrite_prefix) else None
    return Route(
        id=proxy.id,
        hostname=proxy.hostname.encode(),
        prefix=prefix,
        rewrite_prefix=rewrite_prefix,
        mount=mount,
        told=HTTP_PROTO + (b"x-forwarded-prefix: %b\r\n" % mount if mount else b""),
        destination=location.destination,
        authority=location.authority,
        sends_host=proxy.pass_host_header,
        methods=None if methods is None else frozenset(methods),
        paths=_paths(proxy),
        rewrite_location=proxy.rewrite_location,
        options=proxy,
        number=number,
        own_exchange=number if proxy.has_features else None,
    )


def _paths(proxy: ProxyOptions) -> re.Pattern[bytes] | DocumentedPaths | None:
    if proxy.documented is not None:
        return DocumentedPaths(proxy.documented)
    return None if set(proxy.routes) >= set(ALL_ROUTES) else _pattern(proxy.routes)


def _pattern(routes: Iterable[str]) -> re.Pattern[bytes]:
    """Return a pattern for any of the routes, written as the original's router has them."""
    return re.compile(
        "|".join(
            re.sub(r":[A-Za-z0-9_]+", "[^/]+", re.escape(route).replace(r"\*", ".*").replace(r"\:", ":"))
            for route in routes
        ).encode()
    )
