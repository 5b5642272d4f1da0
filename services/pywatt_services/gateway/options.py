"""The gateway's options, from the original's keys."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from pywatt.errors import Problem
from pywatt.http.target import EscapedSlashes
from pywatt.mesh.resolver import mesh_id
from pywatt.mesh.table import MESH_SUFFIX
from pywatt.service_type import Configured, OptionsError, Placement, Requirement
from pywatt_services.gateway.access_log.options import AccessLogOptions, access_log_options
from pywatt_services.gateway.cache.options import (
    DEFAULT_STORE,
    CacheOptions,
    StoreOptions,
    cache_options,
    store_options,
)
from pywatt_services.gateway.compression.options import CompressionOptions, compression_options
from pywatt_services.gateway.compression.options import requirements as compression_requirements
from pywatt_services.gateway.local_answers.options import LocalAnswer, check_local, read_local
from pywatt_services.gateway.openapi.options import (
    DEFAULT_URL,
    ApiSource,
    DocumentationOptions,
    documentation_options,
    read_ignored,
)
from pywatt_services.gateway.policies.auth_options import requirements
from pywatt_services.gateway.policies.options import NO_POLICIES, PolicyOptions, PolicyReader
from pywatt_services.gateway.upstreams.options import ONE_UPSTREAM, UpstreamOptions
from pywatt_services.gateway.upstreams.reader import check_upstreams, read_upstreams, sole_upstream

ALL_ROUTES = ("/", "/*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyOptions:
    """A service behind the gateway. Original: an item of `gateway.applications`."""

    id: str
    prefix: str
    """`/orders`, or empty for everything that no other prefix takes."""
    rewrite_prefix: str = ""
    """Replaces the prefix before the request goes on."""
    origin: str
    """`http://<id>.plt.local`, or where else the requests go. Original: `proxy.upstream`, `origin`."""
    hostname: str = ""
    """Host name that the service is served at, and nowhere else; only services that name it answer there."""
    methods: frozenset[str] | None = None
    """None: every method. HEAD goes where GET goes."""
    routes: tuple[str, ...] = ALL_ROUTES
    """Paths below the prefix, with `:name` for one segment and `*` for any rest."""
    rewrite_location: bool = True
    """Puts addresses in response headers, above all Location, into their public form."""
    pass_host_header: bool = True
    """Passes the client's Host on to the service. Traefik: `passHostHeader`."""
    plugin: bool = False
    """True for a service that pywatt adds for a plugin; no other internal service is reached."""
    policies: PolicyOptions = NO_POLICIES
    """Rules for its requests and responses."""
    compression: CompressionOptions | None = None
    """None: responses are passed on as they are."""
    cache: CacheOptions | None = None
    """None: responses are not stored."""
    documented: ApiSource | None = None
    """The OpenAPI document whose paths are its only ones; None: `routes` has them."""
    documentation: bool = False
    """True where the gateway itself answers, with the composed OpenAPI document."""
    upstreams: UpstreamOptions = ONE_UPSTREAM
    """Several upstreams, and rules about them."""
    local: LocalAnswer | None = None
    """A redirect, or files: the gateway answers itself."""

    @property
    def has_features(self) -> bool:
        """True when requests need more than to be passed on."""
        by_gateway = self.documentation or self.local is not None
        responses = self.compression is not None or self.cache is not None
        return self.policies != NO_POLICIES or self.upstreams != ONE_UPSTREAM or responses or by_gateway

    @property
    def origins(self) -> tuple[str, ...]:
        """The addresses that its requests go to, copies of requests included."""
        if self.local is not None:
            return ()
        origins = [target.url for target in self.upstreams.targets] or [self.origin]
        if self.upstreams.mirror is not None:
            origins.append(self.upstreams.mirror.url)
        if self.upstreams.websocket:
            origins.append(self.upstreams.websocket)
        return tuple(origins)


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """The options of a gateway."""

    proxies: tuple[ProxyOptions, ...]
    trust_proxy: bool = False
    """True when a proxy stands in front, whose X-Forwarded headers are believed. Original: `server.trustProxy`."""
    escaped_slashes: EscapedSlashes = EscapedSlashes.REJECT
    base_path: str = ""
    """Prefix below which the gateway itself is reached, behind that of the app; paths without it are served as well."""
    access_log: AccessLogOptions | None = None
    documentation: DocumentationOptions | None = None
    cache_store: StoreOptions = DEFAULT_STORE


def configure(document: Mapping[str, Any], placement: Placement) -> Configured:
    """Turn the gateway's document into options. Raises OptionsError."""
    key = "gateway" if "gateway" in document else "composer"
    block: Mapping[str, Any] = document.get(key, {})
    problems: list[Problem] = []
    proxies: list[ProxyOptions] = []
    others = [service for service in placement.services if service != placement.id]
    left_out = {service.lower() for service in placement.left_out}
    list_key = "applications" if "applications" in block else "services"
    server: Mapping[str, Any] = document.get("server", {})
    defaults = {name: (value, f"{key}.defaults.{name}") for name, value in block.get("defaults", {}).items()}
    if "cors" in server:
        defaults.setdefault("cors", (server["cors"], "server.cors"))
    policies = PolicyReader(problems, defaults, placement.path)
    upstream_defaults = {key: block[key] for key in ("deduplication",) if key in block} | block.get("defaults", {})
    sources: list[ApiSource] = []
    entries: Sequence[Mapping[str, Any]] = block.get(list_key) or [{"id": service} for service in others]
    for index, entry in enumerate(entries):
        where = f"{key}.{list_key}[{index}]"
        problems += _check_graphql(entry, where)
        openapi = entry.get("openapi", False)
        raw = entry.get("proxy") is not False and ("proxy" in entry or openapi is False)
        if not raw and openapi is False:
            continue
        block_of = entry.get("proxy") or {}
        upstreams = read_upstreams(upstream_defaults, block_of)
        problems += check_upstreams(upstreams, block_of, f"{where}.proxy")
        rules = policies.read(block_of, f"{where}.proxy")
        local = read_local(block_of, placement.path)
        if local is not None:
            problems += check_local(local, block_of, f"{where}.proxy")
            # The defaults of upstreams are not for it.
            proxy = _proxy(entry, rules, ONE_UPSTREAM)
            proxy = replace(proxy, origin=f"http://{placement.id}{MESH_SUFFIX}", local=local)
        else:
            proxy = _without(left_out, _proxy(entry, rules, upstreams))
        compression = compression_options(policies.block("compression", block_of, f"{where}.proxy")[0])
        cache = cache_options(policies.block("httpCache", block_of, f"{where}.proxy")[0])
        proxy = replace(proxy, compression=compression, cache=None if proxy.local else cache)
        if _local(proxy.origin) in left_out:
            continue
        problems += _check_origin(proxy, where, others)
        if raw:
            proxies.append(proxy)
            problems += _check_routes(proxy, where)
            problems += _check_issuer(proxy, f"{where}.proxy.auth.jwt.jwks", others)
        if openapi is not False:
            source = _source(entry, proxy if raw else None, placement.path, f"{where}.openapi", problems)
            sources.append(source)
            if source.only_documented:
                proxies.append(replace(proxy, prefix=source.prefix, rewrite_prefix="", documented=source))
    # They take less than a route of the same prefix that takes everything.
    proxies.sort(key=lambda proxy: proxy.documented is None)
    problems += _check_graphql(block, key)
    documentation = documentation_options(block, tuple(sources))
    if documentation is not None and documentation.shown:
        proxies.append(_documentation_route(documentation, placement.id, policies.read({}, "")))
    problems += _check_unique([proxy for proxy in proxies if proxy.documented is None], f"{key}.{list_key}")
    for path, target in placement.routes.items():
        places = [index for index, proxy in enumerate(proxies) if (proxy.prefix, proxy.hostname) == (path, "")]
        if not places:
            compression = compression_options(policies.block("compression", {}, "")[0])
            proxies.append(replace(_route_of_plugin(path, target, policies.read({}, "")), compression=compression))
        elif _local(proxies[places[0]].origin) != target:
            problems.append(_taken_by_user(path, proxies[places[0]].id, f"{key}.{list_key}[{places[0]}]"))
    if problems:
        raise OptionsError(*problems)
    public: dict[str, str] = {}
    for proxy in proxies:
        for service in (_local(origin) for origin in proxy.origins):
            if service is not None:
                public.setdefault(service, proxy.prefix or "/")  # of several, the first counts
    others += [service for service in placement.routes.values() if service not in others]
    return Configured(
        options=GatewayOptions(
            proxies=tuple(proxies),
            trust_proxy=server.get("trustProxy", False) is True,
            escaped_slashes=EscapedSlashes(server.get("escapedSlashes", "reject")),
            base_path=_normal(document.get("basePath", "")),
            access_log=access_log_options(server.get("accessLog", False), placement.path),
            documentation=documentation,
            cache_store=store_options(block),
        ),
        requires=(*_requirements(proxies), *compression_requirements(proxy.compression for proxy in proxies)),
        calls=tuple(service for service in others if service.lower() in public),
        public_paths={service: public[service.lower()] for service in others if service.lower() in public},
    )


def _proxy(entry: Mapping[str, Any], policies: PolicyOptions, upstreams: UpstreamOptions) -> ProxyOptions:
    proxy: Mapping[str, Any] = entry.get("proxy") or {}
    service: str = entry["id"]
    hostname: str = proxy.get("hostname", "").lower()
    origin: str = sole_upstream(proxy) or entry.get("origin") or f"http://{service}{MESH_SUFFIX}"
    if upstreams.targets:
        origin = upstreams.targets[0].url
    methods: Sequence[str] | None = proxy.get("methods")
    return ProxyOptions(
        id=service,
        prefix=_normal(proxy.get("prefix", "" if hostname else service)),
        rewrite_prefix=_normal(proxy.get("rewritePrefix", "")),
        origin=origin,
        hostname=hostname,
        methods=None if methods is None else frozenset(method.upper() for method in methods),
        routes=tuple(proxy.get("routes", ALL_ROUTES)),
        rewrite_location=proxy.get("rewriteLocationHeader", True),
        # The certificate of an https origin is for its own name, and so is what it serves.
        pass_host_header=proxy.get("passHostHeader", not origin.lower().startswith("https:")),
        policies=policies,
        upstreams=upstreams,
    )


def _source(
    entry: Mapping[str, Any], proxy: ProxyOptions | None, folder: Path, where: str, problems: list[Problem]
) -> ApiSource:
    """Return the document of an entry. `proxy`: the route that passes all its requests on, if it has one."""
    value: Mapping[str, Any] = {} if entry["openapi"] is True else entry["openapi"]
    routed = _proxy(entry, NO_POLICIES, ONE_UPSTREAM) if proxy is None else proxy
    of_proxy = proxy is not None and "prefix" not in value
    return ApiSource(
        service=entry["id"],
        url="" if "file" in value else urljoin(routed.origin, value.get("url", DEFAULT_URL)),
        file=folder / value["file"] if "file" in value else None,
        local=None if "file" in value else _local(urljoin(routed.origin, value.get("url", DEFAULT_URL))),
        prefix=routed.prefix if of_proxy else _normal(value.get("prefix", "")),
        rewrite_prefix=routed.rewrite_prefix if of_proxy else "",
        hostname=routed.hostname,
        ignored=read_ignored(value.get("config"), folder, where, problems),
        only_documented=not of_proxy,
    )


def _documentation_route(options: DocumentationOptions, gateway: str, policies: PolicyOptions) -> ProxyOptions:
    return ProxyOptions(
        id="documentation",
        prefix=options.prefix,
        origin=f"http://{gateway}{MESH_SUFFIX}",
        policies=policies,
        documentation=True,
    )


def _check_graphql(block: Mapping[str, Any], where: str) -> Iterable[Problem]:
    if block.get("graphql", False) not in (False, None):
        yield Problem(
            message="GraphQL schemas are not composed",
            key=f"{where}.graphql",
            hint="remove the key and reach each schema through `proxy`, or run a GraphQL router such as Apollo's or "
            "Hive's as a `command` service in front of them",
        )


def _without(left_out: Container[str | None], proxy: ProxyOptions) -> ProxyOptions:
    """Return an entry without the upstreams that are services which do not run; without all, it stays as it is."""
    upstreams = proxy.upstreams
    targets = tuple(target for target in upstreams.targets if _local(target.url) not in left_out)
    mirror, websocket = upstreams.mirror, upstreams.websocket
    if mirror is not None and _local(mirror.url) in left_out:
        mirror = None
    if websocket and _local(websocket) in left_out:
        websocket = ""
    origin = targets[0].url if targets else proxy.origin
    return replace(
        proxy, origin=origin, upstreams=replace(upstreams, targets=targets, mirror=mirror, websocket=websocket)
    )


def _requirements(proxies: Iterable[ProxyOptions]) -> Iterable[Requirement]:
    found = (need for proxy in proxies if proxy.policies.auth for need in requirements(proxy.policies.auth, "auth"))
    return dict.fromkeys(found)


def _route_of_plugin(path: str, service: str, policies: PolicyOptions) -> ProxyOptions:
    return ProxyOptions(
        id=service,
        prefix=path,
        rewrite_prefix=path,
        origin=f"http://{service}{MESH_SUFFIX}",
        plugin=True,
        policies=policies,
    )


def _taken_by_user(path: str, service: str, where: str) -> Problem:
    return Problem(
        message=f"a plugin of the app answers {path}, and the gateway passes it on to {service!r}",
        key=where,
        hint=f'add "path" to the plugin\'s options, such as "{path}/kafka", or give {service!r} another prefix',
    )


def _normal(prefix: str) -> str:
    stripped = "/".join(segment for segment in prefix.split("/") if segment)
    return f"/{stripped}" if stripped else ""


def _local(origin: str) -> str | None:
    return mesh_id(urlsplit(origin).hostname or "")


def _check_origin(proxy: ProxyOptions, where: str, services: Sequence[str]) -> Iterable[Problem]:
    for origin in proxy.origins:
        parts = urlsplit(origin)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
            yield Problem(
                message=f"{origin!r} is not an origin such as http://host:port",
                key=where,
                hint="a path in front of every request is the work of proxy.rewritePrefix",
            )
            continue
        yield from _check_service(_local(origin), f"{where}.id", services)


def _check_issuer(proxy: ProxyOptions, where: str, services: Sequence[str]) -> Iterable[Problem]:
    auth = proxy.policies.auth
    if auth is not None and auth.token is not None and auth.token.jwks_url is not None:
        yield from _check_service(_local(auth.token.jwks_url), where, services)


def _check_service(service: str | None, where: str, services: Sequence[str]) -> Iterable[Problem]:
    if service is None or service in (known.lower() for known in services):
        return
    matches = difflib.get_close_matches(service, services, n=1)
    yield Problem(
        message=f"the gateway names the service {service!r}, which this app does not have",
        key=where,
        hint=f"did you mean {matches[0]!r}?"
        if matches
        else f"the app's other services: {', '.join(services) or 'none'}",
    )


def _check_routes(proxy: ProxyOptions, where: str) -> Iterable[Problem]:
    for index, route in enumerate(proxy.routes):
        if not route.startswith("/") or "*" in route[:-1]:
            yield Problem(
                message=f"{route!r} is not a route: it begins with / and may have one * at its end",
                key=f"{where}.proxy.routes[{index}]",
            )


def _check_unique(proxies: Sequence[ProxyOptions], where: str) -> Iterable[Problem]:
    seen: dict[tuple[str, str], str] = {}
    for proxy in proxies:
        other = seen.setdefault((proxy.hostname, proxy.prefix), proxy.id)
        if other != proxy.id:
            host = f" for the host {proxy.hostname!r}" if proxy.hostname else ""
            yield Problem(
                message=f"{other!r} and {proxy.id!r} have the same prefix {proxy.prefix or '/'!r}{host}", key=where
            )
