"""Puts the class of exchanges of one route together from its features.

A feature is a subclass of ProxyExchange without slots, with the options of the route as attributes of the class.
Features override the events of an exchange, and call `super()`: the first one stands closest to the client.
"""

from __future__ import annotations

from typing import cast

from pywatt_services.gateway.features.documentation_exchange import documentation_exchange
from pywatt_services.gateway.features.policy_exchange import policy_exchange
from pywatt_services.gateway.openapi.documents import ApiDocuments
from pywatt_services.gateway.policies.route_policy import PolicyContext, compile_policy
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.routes import Route


def own_exchange(route: Route, context: PolicyContext, documents: ApiDocuments | None = None) -> type[ProxyExchange]:
    """Return the class of exchanges of a route with features. `documents`: those of the app's services."""
    features: list[type[ProxyExchange]] = []
    policy = compile_policy(f"{route.number} {route.hostname!r} {route.prefix!r}", route.options.policies, context)
    if policy is not None:
        features.append(policy_exchange(policy))
    if route.options.documentation and documents is not None:
        features.append(documentation_exchange(documents))
    if len(features) == 1:
        return features[0]
    return cast("type[ProxyExchange]", type("RouteExchange", tuple(features), {}))
