"""The upstreams of one route: which of them gets a request."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pywatt.http.headers import Header
from pywatt.mesh.address import locate
from pywatt_services.gateway.routes import Route
from pywatt_services.gateway.upstreams.balance import Balance
from pywatt_services.gateway.upstreams.options import Match, Target, UpstreamOptions
from pywatt_services.gateway.upstreams.registry import UpstreamRegistry
from pywatt_services.gateway.upstreams.retry_rules import RetryBudget
from pywatt_services.gateway.upstreams.upstream import Upstream


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One upstream of a route."""

    upstream: Upstream
    route: Route
    """The route as it leads to this upstream."""
    match: Match | None
    token: bytes
    """The value of the sticky cookie of its clients."""


class RouteUpstreams:
    """The upstreams of one route, their turns, and the route's budget of retries."""

    def __init__(self, route: Route, options: UpstreamOptions, registry: UpstreamRegistry) -> None:
        self.options = options
        self.clock = clock = registry.clock
        self.budget = None if options.retries is None else RetryBudget(options.retries.budget, clock())
        self._sticky = options.sticky.encode()
        targets = options.targets or (Target(url=route.options.origin),)
        self.choices = tuple(_choice(route, target, options, registry.upstreams) for target in targets)
        self._balance = Balance([target.weight for target in targets])
        self._matched = any(choice.match is not None for choice in self.choices)

    def choose(self, headers: Sequence[Header], tried: Collection[Upstream]) -> Choice | None:
        """Return the upstream for a request, None when none is available.

        One of `tried`, which have failed, is taken only where no other is available. A request that belongs to an
        upstream (by its header, its cookie or the sticky cookie) goes there as long as that one is available.
        """
        now = self.clock()
        choices = self.choices
        available = [index for index, choice in enumerate(choices) if choice.upstream.available(now)]
        if tried:
            available = [index for index in available if choices[index].upstream not in tried] or available
        if not available:
            return None
        if self._matched or self._sticky:
            wanted = self._belongs(headers)
            if wanted in available:
                return choices[wanted]
        index = self._balance.choose(available, [choice.upstream.in_flight for choice in choices])
        return None if index is None else choices[index]

    def set_cookie(self, choice: Choice, headers: Sequence[Header]) -> Header | None:
        """Return the header that keeps the client at this upstream; None when it is kept there already."""
        if not self._sticky or _cookie(headers, self._sticky) == choice.token:
            return None
        # For all paths: routes below different prefixes may share the upstreams.
        return b"set-cookie", b"%b=%b; Path=/; HttpOnly; SameSite=Lax" % (self._sticky, choice.token)

    def _belongs(self, headers: Sequence[Header]) -> int:
        """Return the index of the upstream that a request belongs to, -1 for none."""
        for index, choice in enumerate(self.choices):
            if choice.match is not None and matches(choice.match, headers):
                return index
        token = _cookie(headers, self._sticky) if self._sticky else None
        if token is not None:
            for index, choice in enumerate(self.choices):
                if choice.token == token:
                    return index
        return -1


def _choice(route: Route, target: Target, options: UpstreamOptions, known: dict[object, Upstream]) -> Choice:
    location = locate(target.url)
    rules = (location.destination, location.authority, options.circuit_breaker, options.health_check)
    upstream = known.get(rules)
    if upstream is None:
        upstream = known[rules] = Upstream(target.url, location, options.circuit_breaker, options.health_check)
    route = replace(
        route,
        destination=location.destination,
        authority=location.authority,
        sends_host=route.options.pass_host_header and not target.url.lower().startswith("https:"),
    )
    return Choice(upstream=upstream, route=route, match=target.match, token=b"%08x" % zlib.crc32(target.url.encode()))


def matches(match: Match, headers: Sequence[Header]) -> bool:
    """Tell whether a request belongs to the upstream that has this mark."""
    if match.header:
        name = match.header.encode()
        values = [value for each, value in headers if each.lower() == name]
        return bool(values) and (match.value is None or match.value.encode() in values)
    value = _cookie(headers, match.cookie.encode())
    return value is not None and (match.value is None or value == match.value.encode())


def _cookie(headers: Sequence[Header], name: bytes) -> bytes | None:
    """Return the value of a cookie, None without it."""
    for each, value in headers:
        if len(each) == 6 and each.lower() == b"cookie":
            for pair in value.split(b";"):
                found, _, content = pair.strip().partition(b"=")
                if found == name:
                    return content
    return None
