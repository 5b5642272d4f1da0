"""Reads the options of a route about its upstreams, from the keys of `proxy` and of `gateway.defaults`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from pywatt.circuit_breaker import BreakerPolicy
from pywatt.errors import Problem
from pywatt.mesh.resolver import mesh_id
from pywatt_services.gateway.upstreams.deduplication import DeduplicationOptions
from pywatt_services.gateway.upstreams.options import (
    HealthCheck,
    Match,
    MirrorOptions,
    Reconnect,
    Retries,
    Target,
    Timeouts,
    UpstreamOptions,
)

MILLISECONDS = 1000.0  # of a second


def read_upstreams(defaults: Mapping[str, Any], proxy: Mapping[str, Any]) -> UpstreamOptions:
    """Return the options of an entry; a key of `proxy` replaces that of `defaults`, `false` switches it off."""

    def block(key: str) -> Any:
        value = proxy[key] if key in proxy else defaults.get(key)
        return None if value is False else value

    targets = () if sole_upstream(proxy) else tuple(_target(each) for each in _listed(proxy))
    return UpstreamOptions(
        targets=targets,
        sticky=block("sticky") or "",
        timeouts=_timeouts(block("timeouts") or {}),
        retries=_retries(block("retries")),
        # Of several upstreams, one that fails again and again gets a pause by itself.
        circuit_breaker=_breaker(
            block("breaker") if "breaker" in proxy or "breaker" in defaults else len(targets) > 1 or None
        ),
        health_check=_health_check(block("healthCheck")),
        mirror=_mirror(block("mirror")),
        deduplication=_deduplication(block("deduplication")),
        websocket=_as_http((proxy.get("ws") or {}).get("upstream", "")),
        reconnect=_reconnect((proxy.get("ws") or {}).get("reconnect")),
    )


def check_upstreams(options: UpstreamOptions, proxy: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Yield what is wrong with the upstreams of an entry, beyond its schema and the origins themselves."""
    targets = options.targets
    if "upstream" in proxy and "upstreams" in proxy:
        hint = '"upstreams" alone has all of them'
        yield Problem(
            message='both "upstream" and "upstreams" say where requests go', key=f"{where}.upstream", hint=hint
        )
    if len({target.url for target in targets}) != len(targets):
        hint = '"weight" gives one a larger share'
        yield Problem(message="an upstream is there twice", key=f"{where}.upstreams", hint=hint)
    if targets and not any(target.weight for target in targets):
        hint = 'an upstream with "weight": 0 gets only the requests of its "header" or "cookie"'
        yield Problem(message="no upstream has a weight above 0", key=f"{where}.upstreams", hint=hint)
    for index, target in enumerate(targets):
        if target.weight == 0 and target.match is None and any(each.weight for each in targets):
            yield Problem(
                message=f"{target.url} gets no request: its weight is 0, and none belong to it",
                key=f"{where}.upstreams[{index}]",
                hint='add a "header" or a "cookie", or a weight',
            )
    if options.sticky and len(targets) < 2:
        hint = 'list them in "upstreams"'
        yield Problem(message="sticky needs several upstreams", key=f"{where}.sticky", hint=hint)
    origins = [target.url for target in targets] or [sole_upstream(proxy)]
    if options.health_check is not None and "healthCheck" in proxy and not any(remote(each) for each in origins):
        yield Problem(
            message="the route has no upstream outside the app that could be checked",
            key=f"{where}.healthCheck",
            hint='services of the app are checked by their own probes ("health")',
        )


def remote(url: str) -> bool:
    """Tell whether an origin lies outside the app."""
    return bool(url) and mesh_id(urlsplit(url).hostname or "") is None


def sole_upstream(proxy: Mapping[str, Any]) -> str:
    """Return the address of an entry's only upstream, empty when it has several or none."""
    listed = _listed(proxy)
    if len(listed) != 1:
        return ""
    target = _target(listed[0])
    return target.url if target == Target(url=target.url) else ""


def _listed(proxy: Mapping[str, Any]) -> Sequence[Any]:
    upstream = proxy.get("upstreams", proxy.get("upstream"))
    return [upstream] if isinstance(upstream, str) and upstream else upstream or ()


def _target(entry: str | Mapping[str, Any]) -> Target:
    if isinstance(entry, str):
        return Target(url=entry)
    match = None
    for kind in ("header", "cookie"):
        given: str | Mapping[str, Any] | None = entry.get(kind)
        if given is not None:
            name = given if isinstance(given, str) else given["name"]
            value = None if isinstance(given, str) else given.get("value")
            match = Match(header=name.lower(), value=value) if kind == "header" else Match(cookie=name, value=value)
            break
    return Target(url=entry["url"], weight=entry.get("weight", 1), match=match)


def _timeouts(entry: Mapping[str, int]) -> Timeouts:
    return Timeouts(**{key: value / MILLISECONDS for key, value in entry.items()})


def _retries(entry: bool | int | Mapping[str, Any] | None) -> Retries | None:
    if entry is True:
        return Retries()
    if isinstance(entry, int):
        return Retries(count=entry) if entry else None
    if entry is None:
        return None
    defaults = Retries()
    return Retries(
        count=entry.get("count", defaults.count),
        on=frozenset(str(cause) for cause in entry["on"]) if "on" in entry else defaults.on,
        methods=frozenset(each.upper() for each in entry["methods"]) if "methods" in entry else defaults.methods,
        body_limit=entry.get("bodyLimit", defaults.body_limit),
        budget=entry.get("budget", defaults.budget),
    )


def _breaker(entry: bool | Mapping[str, Any] | None) -> BreakerPolicy | None:
    if entry is None or entry is False:
        return None
    given: Mapping[str, Any] = {} if entry is True else entry
    defaults = BreakerPolicy()
    return BreakerPolicy(
        failures=given.get("failures", defaults.failures),
        window=given.get("window", defaults.window * MILLISECONDS) / MILLISECONDS,
        pause=given.get("pause", defaults.pause * MILLISECONDS) / MILLISECONDS,
    )


def _health_check(entry: bool | Mapping[str, Any] | None) -> HealthCheck | None:
    if entry is None or entry is False:
        return None
    given: Mapping[str, Any] = {} if entry is True else entry
    defaults = HealthCheck()
    return HealthCheck(
        path=given.get("path", defaults.path),
        interval=given.get("interval", defaults.interval * MILLISECONDS) / MILLISECONDS,
        timeout=given.get("timeout", defaults.timeout * MILLISECONDS) / MILLISECONDS,
        failure_threshold=given.get("failureThreshold", defaults.failure_threshold),
        success_threshold=given.get("successThreshold", defaults.success_threshold),
    )


def _deduplication(entry: bool | Mapping[str, Any] | None) -> DeduplicationOptions | None:
    if entry is True:
        return DeduplicationOptions()
    if not isinstance(entry, Mapping) or not entry.get("enabled", True):
        return None
    defaults = DeduplicationOptions()
    return DeduplicationOptions(
        methods=frozenset(entry["methods"]) if "methods" in entry else defaults.methods,
        headers=tuple(name.lower() for name in entry.get("headers", ())),
        skip_headers=tuple(name.lower() for name in entry.get("skipHeaders", ())),
    )


def _reconnect(entry: bool | Mapping[str, Any] | None) -> Reconnect | None:
    if entry is None or entry is False:
        return None
    given: Mapping[str, Any] = {} if entry is True else entry
    defaults = Reconnect()
    return Reconnect(
        ping_interval=given.get("pingInterval", 0) / MILLISECONDS,
        retries=given.get("maxReconnectionRetries"),
        interval=given.get("reconnectInterval", defaults.interval * MILLISECONDS) / MILLISECONDS,
        decay=given.get("reconnectDecay", defaults.decay),
        timeout=given.get("connectionTimeout", defaults.timeout * MILLISECONDS) / MILLISECONDS,
        on_close=given.get("reconnectOnClose", False),
        logs=given.get("logs", False),
    )


def _as_http(url: str) -> str:
    """Return the origin of a WebSocket's address, with the scheme of the handshake."""
    scheme, separator, rest = url.partition("://")
    return {"ws": "http", "wss": "https"}.get(scheme.lower(), scheme) + separator + rest


def _mirror(entry: str | Mapping[str, Any] | None) -> MirrorOptions | None:
    if not entry:
        return None
    if isinstance(entry, str):
        return MirrorOptions(url=entry)
    defaults = MirrorOptions(url="")
    return MirrorOptions(
        url=entry["upstream"],
        share=entry.get("share", defaults.share),
        body_limit=entry.get("bodyLimit", defaults.body_limit),
    )
