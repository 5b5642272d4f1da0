"""The gateways in an app's configuration, as `pywatt config` and the control API give it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from pywatt.http.target import EscapedSlashes
from pywatt.supervisor.snapshot import plain
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.options import ALL_ROUTES, ProxyOptions
from pywatt_services.gateway.routes import RouteTable
from pywatt_services.gateway.upstreams.options import Match

MATCHING = ("id", "prefix", "rewrite_prefix", "origin", "hostname", "plugin")
"""Options of a route that decide where a request goes, and are told apart from its policies."""
ADDRESSING = frozenset({*MATCHING, "methods", "routes", "pass_host_header", "rewrite_location"})

GROUPS = frozenset({"policies", "upstreams"})
"""Options that are a group of others, which have the names of keys."""
KEYS = {
    "circuit_breaker": "breaker",
    "cache": "httpCache",
    "documented": "openapi (paths of its document only)",
    "request_headers": "headers",
    "response_headers": "headers",
    "targets": "upstreams",
    "websocket": "ws",
    "reconnect": "ws",
}
"""Keys of options with other names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A route, as the table shows it."""

    options: ProxyOptions
    policies: tuple[str, ...]
    """Names of the other options that differ from their defaults."""
    origins: tuple[str, ...] = ()
    """The addresses that its requests go to."""
    marks: tuple[tuple[str, Match], ...] = ()
    """The addresses that some requests belong to, and which ones."""
    answer: str = ""
    """The gateway's own answer, empty for a route that passes requests on."""

    @property
    def methods(self) -> str:
        """The methods, as a cell."""
        return "all" if self.options.methods is None else ",".join(sorted(self.options.methods))

    @property
    def paths(self) -> str:
        """The paths below the prefix that it takes, as a cell."""
        prefix, routes = self.options.prefix, self.options.routes
        if set(routes) >= set(ALL_ROUTES):
            return prefix or "/"
        return ", ".join(prefix + route for route in routes)

    def document(self) -> dict[str, Any]:
        """Return the rule as JSON."""
        options = self.options
        return {
            "host": options.hostname or None,
            "prefix": options.prefix or "/",
            "methods": None if options.methods is None else sorted(options.methods),
            "routes": list(options.routes),
            "service": options.id,
            "origins": list(self.origins),
            "answer": self.answer or None,
            "rewritePrefix": options.rewrite_prefix or "/",
            "policies": list(self.policies),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A gateway of an app, and its rules."""

    id: str
    base_path: str
    escaped_slashes: EscapedSlashes
    rules: tuple[Rule, ...]

    @property
    def table(self) -> RouteTable:
        """The routes."""
        return RouteTable(rule.options for rule in self.rules)


def gateways(config: Mapping[str, Any]) -> list[Gateway]:
    """Return the gateways of an app. `config`: its configuration as JSON."""
    return [_gateway(config, service) for service in config["services"] if service["type"] == TYPE.name]


def _gateway(config: Mapping[str, Any], service: Mapping[str, Any]) -> Gateway:
    options: Mapping[str, Any] = service["options"]
    return Gateway(
        id=service["id"],
        base_path=config["base_path"].rstrip("/") + options["base_path"],
        escaped_slashes=EscapedSlashes(options["escaped_slashes"]),
        rules=tuple(_rule(proxy) for proxy in options["proxies"]),
    )


def _rule(proxy: Mapping[str, Any]) -> Rule:
    methods: Sequence[str] | None = proxy["methods"]
    options = ProxyOptions(
        **{key: proxy[key] for key in MATCHING},
        methods=None if methods is None else frozenset(methods),
        routes=tuple(proxy["routes"]),
    )
    differing = (name for name in _differing(proxy, ProxyOptions) if name not in ADDRESSING)
    policies = [*dict.fromkeys(KEYS.get(name) or _as_key(name) for name in differing)]
    if not proxy["rewrite_location"]:
        policies.append("rewriteLocationHeader: false")
    local: Mapping[str, Any] | None = proxy["local"]
    if local is not None:
        shown = f"redirect to {local['to']}" if "to" in local else f"the files of {local['root']}"
        policies.remove("local")
        return Rule(options=options, policies=("redirect" if "to" in local else "static", *policies), answer=shown)
    origins = tuple(target["url"] for target in proxy["upstreams"]["targets"]) or (proxy["origin"],)
    marks = tuple(
        (target["url"], Match(**target["match"])) for target in proxy["upstreams"]["targets"] if target["match"]
    )
    return Rule(options=options, policies=tuple(policies), origins=origins, marks=marks)


def _differing(values: Mapping[str, Any], options: type[Any]) -> Iterator[str]:
    """Yield the names of options that differ from their defaults; of a group of options, those inside."""
    for spec in fields(options):
        if spec.name in values and spec.default is not MISSING and values[spec.name] != plain(spec.default):
            group = spec.default
            if is_dataclass(group) and spec.name in GROUPS:
                yield from _differing(values[spec.name], type(group))
            else:
                yield spec.name


def _as_key(name: str) -> str:
    """Return the name of an option as it stands in a config file."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
