"""Puts the class of exchanges of one route together from its features.

A feature is a subclass of ProxyExchange without slots, with the options of the route as attributes of the class.
Features override the events of an exchange, and call `super()`: the first one stands closest to the client.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from pywatt_services.gateway.cache.response_cache import ResponseCache
from pywatt_services.gateway.features.caching.exchange import cached_exchange
from pywatt_services.gateway.features.compressing_exchange import compressing_exchange
from pywatt_services.gateway.features.documentation_exchange import documentation_exchange
from pywatt_services.gateway.features.local.redirect_exchange import redirect_exchange
from pywatt_services.gateway.features.local.static_exchange import static_exchange
from pywatt_services.gateway.features.policies.policy_exchange import policy_exchange
from pywatt_services.gateway.features.policies.response_hook import response_hook_exchange
from pywatt_services.gateway.features.upstreams.mirror import Mirror
from pywatt_services.gateway.features.upstreams.route_upstreams import RouteUpstreams
from pywatt_services.gateway.features.upstreams.shared_exchange import shared_exchange
from pywatt_services.gateway.features.upstreams.timed_exchange import timed_exchange
from pywatt_services.gateway.features.upstreams.upstream_exchange import upstream_exchange
from pywatt_services.gateway.features.websockets.reconnecting_exchange import reconnecting_exchange
from pywatt_services.gateway.features.websockets.websocket_exchange import websocket_exchange
from pywatt_services.gateway.local_answers.options import RedirectOptions
from pywatt_services.gateway.openapi.documents import ApiDocuments
from pywatt_services.gateway.policies.route_policy import PolicyContext, compile_policy
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.routes import Route
from pywatt_services.gateway.upstreams.options import ONE_UPSTREAM
from pywatt_services.gateway.upstreams.registry import UpstreamRegistry


def own_exchange(
    route: Route,
    context: PolicyContext,
    registry: UpstreamRegistry,
    documents: ApiDocuments | None = None,
    cache: ResponseCache | None = None,
) -> type[ProxyExchange]:
    """Return the class of exchanges of a route with features.

    `registry`: the upstreams that routes share. `documents`: those of the app's services. `cache`: of responses; None
    where it cannot be used.
    """
    features: list[type[ProxyExchange]] = []
    filling, lookup = None, None
    if cache is not None and route.options.cache is not None:
        filling, lookup = cached_exchange(cache, route.options.cache)
    if filling is not None:
        features.append(filling)
    policy = compile_policy(f"{route.number} {route.hostname!r} {route.prefix!r}", route.options.policies, context)
    if policy is not None:
        features.append(policy_exchange(policy))
        if policy.response_hook is not None:
            features.append(response_hook_exchange(policy.response_hook))
    if route.options.documentation and documents is not None:
        features.append(documentation_exchange(documents))
    local = route.options.local
    if local is not None:
        features.append(redirect_exchange(local) if isinstance(local, RedirectOptions) else static_exchange(local))
    if lookup is not None:
        features.append(lookup)
    upstreams = route.options.upstreams
    if upstreams.deduplication is not None:
        rules = route.options.policies
        compared = (*upstreams.deduplication.headers, *rules.client_headers)
        every = rules.changes_requests
        features.append(shared_exchange(replace(upstreams.deduplication, headers=compared, compares_all=every)))
    if upstreams.reconnect is not None:
        features.append(reconnecting_exchange(upstreams.reconnect))
    if upstreams.websocket:
        features.append(websocket_exchange(route, upstreams.websocket))
    if upstreams.timeouts != ONE_UPSTREAM.timeouts:
        features.append(timed_exchange(upstreams.timeouts, registry))
    if (
        replace(upstreams, timeouts=ONE_UPSTREAM.timeouts, deduplication=None, websocket="", reconnect=None)
        != ONE_UPSTREAM
    ):
        mirror = None if upstreams.mirror is None else Mirror(upstreams.mirror, route, registry)
        features.append(upstream_exchange(RouteUpstreams(route, upstreams, registry), mirror))
    if route.options.compression is not None:
        features.append(compressing_exchange(route.options.compression))
    if len(features) == 1:
        return features[0]
    return cast("type[ProxyExchange]", type("RouteExchange", tuple(features), {}))
