"""Addresses in a service's response headers, as clients have to see them.

Some services put their public prefix in front of the paths they send (they know it from `X-Forwarded-Prefix`, ASGI's
`root_path` or WSGI's `SCRIPT_NAME`), others do not. The path tells: one below the prefix stays, any other gets the
prefix. Host names of the app (`<id>.plt.local`), with any scheme and port, become paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pywatt.http.headers import Header
from pywatt.http.response_reader import ADDRESSED
from pywatt.mesh.resolver import mesh_id
from pywatt_services.gateway.routes import Route, RouteTable

_WITH_AUTHORITY = re.compile(rb"((?:[A-Za-z][A-Za-z0-9+.-]*:)?//)(?:[^/?#\\]*@)?([^/?#\\]*)(.*)", re.DOTALL)
_REFRESH = re.compile(rb"(\s*[0-9.]+\s*[;,]\s*(?:[Uu][Rr][Ll]\s*=\s*)?)(['\"]?)(.*?)(['\"]?)\s*", re.DOTALL)
_LINK_TARGET = re.compile(rb"((?:\A|,)\s*<)([^>]*)>")
_PATH_ENDS = b"/?#"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Maps the addresses that one service gives to one client."""

    route: Route
    routes: RouteTable
    base_path: bytes
    """Public prefix of the gateway itself."""
    authority: bytes
    """Host and port by which the client reached the gateway."""

    def headers(self, headers: list[Header]) -> list[Header]:
        """Return response headers with every address in its public form."""
        return [
            (name, self._value(lower, value)) if (lower := name.lower()) in ADDRESSED else (name, value)
            for name, value in headers
        ]

    def url(self, url: bytes) -> bytes:
        """Return the public form of a URL or a reference."""
        parts = _WITH_AUTHORITY.fullmatch(url)
        if parts is None:
            return self._path(self.route, url) if url.startswith(b"/") else url
        before, authority, path = parts.groups()
        route = self._route_of(authority)
        if route is not None:
            return self._place(route) + self._path(route, path)
        if not self.authority or authority.lower() != self.authority.lower() or not self._prefix(self.route):
            return url
        other = self.routes.with_prefix(authority, _below(path, self.base_path))
        # Compared by their places: routes to several upstreams of one are variants of it.
        return (
            url
            if other is not None and other.number != self.route.number
            else before + authority + self._path(self.route, path)
        )

    def _value(self, name: bytes, value: bytes) -> bytes:
        if name == b"set-cookie":
            return self._cookie(value) if b";" in value else value
        if name == b"link":
            return _LINK_TARGET.sub(lambda match: match[1] + self.url(match[2]) + b">", value)
        if name == b"refresh":
            parts = _REFRESH.fullmatch(value)
            return value if parts is None else parts[1] + parts[2] + self.url(parts[3]) + parts[4]
        return self.url(value)

    def _cookie(self, cookie: bytes) -> bytes:
        """Return a cookie that its browser takes, and sends back to this service.

        `Path=/` stays: services that share a cookie, and pages that read it, rely on it.
        """
        pair, *attributes = cookie.split(b";")
        kept = [pair]
        for attribute in attributes:
            name, equals, value = attribute.partition(b"=")
            kind, value = name.strip().lower(), value.strip()
            if kind == b"domain" and _internal_id(value.lstrip(b".")) is not None:
                continue
            if kind == b"path" and value.startswith(b"/") and value != b"/":
                attribute = name + equals + self._path(self.route, value)  # noqa: PLW2901
            kept.append(attribute)
        return b";".join(kept)

    def _route_of(self, authority: bytes) -> Route | None:
        """Return the route to the service that has this internal authority."""
        if authority.lower() == self.route.authority.lower():
            return self.route
        service = _internal_id(authority)
        if service is None:
            return None
        return self.route if service == _internal_id(self.route.authority) else self.routes.of_service(service)

    def _place(self, route: Route) -> bytes:
        """Return the text before a public path of that route: the host, when that is another one."""
        if not route.hostname or route.hostname == self.route.hostname:
            return b""
        _, colon, port = self.authority.rpartition(b":")
        return (
            b"//" + route.hostname + (b":" + port if colon and port.isdigit() and b":" not in route.hostname else b"")
        )

    def _prefix(self, route: Route) -> bytes:
        return self.base_path + route.prefix

    def _path(self, route: Route, path: bytes) -> bytes:
        """Return the public form of a service's path, which may have a query and a fragment."""
        if not path.startswith(b"/"):
            path = b"/" + path
        prefix = self._prefix(route)
        if route.rewrite_prefix and is_below(path, route.rewrite_prefix):
            return prefix + path[len(route.rewrite_prefix) :] or b"/"
        return path if prefix and is_below(path, prefix) else prefix + path


def is_below(path: bytes, prefix: bytes) -> bool:
    """Tell whether a path, with or without a query, lies below the prefix or is it."""
    return path.startswith(prefix) and (len(path) == len(prefix) or path[len(prefix)] in _PATH_ENDS)


def _below(path: bytes, base_path: bytes) -> bytes:
    """Return the path behind the base path, without query and fragment."""
    if base_path and is_below(path, base_path):
        path = path[len(base_path) :]
    return re.split(rb"[?#]", path, maxsplit=1)[0] or b"/"


def _internal_id(authority: bytes) -> str | None:
    """Return the id in `<id>.plt.local`, with or without a port and a full stop at the end."""
    return mesh_id(re.sub(rb":[0-9]*\Z", b"", authority).decode("latin-1"))
