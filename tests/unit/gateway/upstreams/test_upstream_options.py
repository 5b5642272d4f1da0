"""The keys about upstreams, their defaults, and what is wrong with them."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import pywatt_schemas
from pywatt.circuit_breaker import BreakerPolicy
from pywatt.service_type import Configured, OptionsError, Placement
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.options import GatewayOptions, ProxyOptions
from pywatt_services.gateway.upstreams.options import (
    ONE_UPSTREAM,
    HealthCheck,
    Match,
    MirrorOptions,
    Reconnect,
    Retries,
    Target,
    Timeouts,
)

PLACEMENT = Placement(
    id="gateway", path=Path("/app"), services=("gateway", "api", "shadow"), left_out=frozenset({"v2"})
)


def configure(proxy: dict[str, Any], **block: Any) -> Configured:
    document = {"gateway": {"applications": [{"id": "api", "proxy": proxy}], **block}}
    Draft202012Validator(pywatt_schemas.load("gateway")).validate(document)
    return TYPE.configure(document, PLACEMENT)


def options(proxy: dict[str, Any], **block: Any) -> ProxyOptions:
    configured = configure(proxy, **block).options
    assert isinstance(configured, GatewayOptions)
    assert pickle.loads(pickle.dumps(configured)) == configured
    return configured.proxies[0]


@pytest.mark.parametrize(
    "proxy",
    [
        {},
        {"upstream": "http://a:1"},
        {"upstreams": ["http://a:1"]},
        {"upstream": ["http://a:1"]},
        {"upstreams": [{"url": "http://a:1"}]},
        {"retries": False, "timeouts": False, "breaker": False, "healthCheck": False, "mirror": False, "sticky": False},
        {"retries": 0},
        {"timeouts": {}},
    ],
)
def test_one_upstream_without_rules_is_no_feature(proxy: dict[str, Any]) -> None:
    found = options(proxy)
    assert found.upstreams == ONE_UPSTREAM
    assert not found.has_features
    assert found.origin == ("http://a:1" if proxy.keys() & {"upstream", "upstreams"} else "http://api.plt.local")


def test_several_upstreams() -> None:
    listed = ["http://a:1", {"url": "https://b", "weight": 0, "header": {"name": "X-B", "value": "1"}}]
    listed.append({"url": "http://api.plt.local", "cookie": "c"})
    for key in ("upstream", "upstreams"):
        found = options({key: listed, "sticky": "s"})
        assert found.origin == "http://a:1"
        assert found.upstreams == replace(
            ONE_UPSTREAM,
            targets=(
                Target(url="http://a:1"),
                Target(url="https://b", weight=0, match=Match(header="x-b", value="1")),
                Target(url="http://api.plt.local", match=Match(cookie="c")),
            ),
            sticky="s",
            circuit_breaker=BreakerPolicy(),
        )
        assert configure({key: listed}).calls == ("api",)
    assert options({"upstreams": listed, "breaker": False}).upstreams.circuit_breaker is None


def test_rules_and_defaults() -> None:
    defaults: dict[str, Any] = {
        "timeouts": {"connect": 1000},
        "retries": True,
        "breaker": {"failures": 3, "pause": 500},
    }
    inherited = options({}, defaults=defaults).upstreams
    assert inherited.timeouts == Timeouts(connect=1.0)
    assert inherited.retries == Retries()
    assert inherited.circuit_breaker == BreakerPolicy(failures=3, pause=0.5)
    own = options(
        {"timeouts": {"idle": 5}, "retries": {"on": [503], "methods": ["post"], "count": 1}}, defaults=defaults
    )
    assert own.upstreams.timeouts == Timeouts(idle=0.005)
    assert own.upstreams.retries == Retries(count=1, on=frozenset({"503"}), methods=frozenset({"POST"}))
    assert options({"retries": False, "timeouts": False, "breaker": False}, defaults=defaults).upstreams == ONE_UPSTREAM
    checked = options({"upstream": "http://a:1", "healthCheck": {"path": "/up", "interval": 50}}).upstreams
    assert checked.health_check == HealthCheck(path="/up", interval=0.05)
    assert options({"retries": 4}).upstreams.retries == Retries(count=4)


def test_mirror_counts_as_a_call_and_leaves_with_its_service() -> None:
    configured = configure({"mirror": "http://shadow.plt.local"})
    assert configured.calls == ("api", "shadow")
    mirror = {"upstream": "http://shadow.plt.local", "share": 0.5, "bodyLimit": 10}
    found = options({"mirror": mirror}).upstreams.mirror
    assert found == MirrorOptions(url="http://shadow.plt.local", share=0.5, body_limit=10)
    assert options({"mirror": "http://v2.plt.local"}).upstreams == ONE_UPSTREAM
    left = options({"upstreams": ["http://v2.plt.local", "http://api.plt.local"]})
    assert left.origins == ("http://api.plt.local",)


@pytest.mark.parametrize(
    ("proxy", "message", "key"),
    [
        ({"upstream": "http://a", "upstreams": ["http://b"]}, "both", "upstream"),
        ({"upstreams": ["http://a", "http://a"]}, "twice", "upstreams"),
        ({"upstreams": [{"url": "http://a", "weight": 0, "header": "x"}]}, "above 0", "upstreams"),
        ({"upstreams": ["http://a", {"url": "http://b", "weight": 0}]}, "gets no request", "upstreams[1]"),
        ({"upstreams": ["http://a"], "sticky": "s"}, "several", "sticky"),
        ({"healthCheck": True}, "outside the app", "healthCheck"),
        ({"upstreams": ["http://a", "ftp://b"]}, "not an origin", ""),
        ({"upstreams": ["http://a", "http://nobody.plt.local"]}, "does not have", ""),
        ({"mirror": "http://b/path"}, "not an origin", ""),
    ],
)
def test_what_is_wrong_is_said(proxy: dict[str, Any], message: str, key: str) -> None:
    with pytest.raises(OptionsError) as caught:
        configure(proxy)
    problem = caught.value.problems[0]
    assert message in problem.message
    assert problem.hint
    if key:
        assert problem.key == f"gateway.applications[0].proxy.{key}"


def test_reconnecting_has_the_keys_of_the_original() -> None:
    assert options({"ws": {"reconnect": True}}).upstreams.reconnect == Reconnect()
    given: dict[str, Any] = {"pingInterval": 500, "maxReconnectionRetries": 3, "reconnectInterval": 100}
    given |= {"reconnectDecay": 2, "connectionTimeout": 250, "reconnectOnClose": True, "logs": True}
    expected = Reconnect(ping_interval=0.5, retries=3, interval=0.1, decay=2, timeout=0.25, on_close=True, logs=True)
    assert options({"ws": {"reconnect": given}}).upstreams.reconnect == expected
    assert options({"ws": {"reconnect": False}}).upstreams == ONE_UPSTREAM
    assert options({"ws": {"upstream": "wss://a:1"}}).origins == ("http://api.plt.local", "https://a:1")
