"""The gateway's options: the original's keys, defaults, and problems."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import pywatt_schemas
from pywatt.config.logger_model import Rotation
from pywatt.service_type import Configured, OptionsError, Placement, ServiceType, load_type
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.access_log.options import AccessLogFormat, AccessLogOptions, QueryForm
from pywatt_services.gateway.options import GatewayOptions, ProxyOptions

PLACEMENT = Placement(id="gateway", path=Path("/app"), services=("gateway", "kafka-hooks", "api"))


def configure(document: dict[str, Any]) -> Configured:
    Draft202012Validator(pywatt_schemas.load("gateway")).validate(document)
    return TYPE.configure(document, PLACEMENT)


def proxies(document: dict[str, Any]) -> list[ProxyOptions]:
    options = configure(document).options
    assert isinstance(options, GatewayOptions)
    return list(options.proxies)


def test_type_is_found_by_name() -> None:
    service_type: ServiceType = load_type("gateway")
    assert service_type is TYPE
    assert "@platformatic/gateway" in TYPE.aliases
    assert "composer" in TYPE.aliases


def test_without_a_document_every_other_service_is_served_at_its_id() -> None:
    configured = configure({})
    assert [(proxy.prefix, proxy.origin) for proxy in proxies({})] == [
        ("/kafka-hooks", "http://kafka-hooks.plt.local"),
        ("/api", "http://api.plt.local"),
    ]
    assert configured.calls == ("kafka-hooks", "api")
    assert pickle.loads(pickle.dumps(configured.options)) == configured.options


def test_the_first_entry_of_a_service_says_where_it_is_reached() -> None:
    api = [{"prefix": "/v2/"}, {"prefix": "/"}, {"hostname": "api.example"}]
    applications: list[dict[str, Any]] = [{"id": "api", "proxy": proxy} for proxy in api]
    applications.append(
        {"id": "hooks", "origin": "http://KAFKA-HOOKS.plt.local", "proxy": {"hostname": "hooks.example"}}
    )
    configured = configure({"gateway": {"applications": applications}})
    assert configured.public_paths == {"api": "/v2", "kafka-hooks": "/"}


@pytest.mark.parametrize("block", ["gateway", "composer"])
@pytest.mark.parametrize("key", ["applications", "services"])
def test_older_names_of_the_keys(block: str, key: str) -> None:
    assert [proxy.prefix for proxy in proxies({block: {key: [{"id": "api"}]}})] == ["/api"]


def test_proxy_keys() -> None:
    proxy = {
        "prefix": "//v1/orders/",
        "rewritePrefix": "internal",
        "hostname": "Orders.Example",
        "methods": ["GET", "POST"],
        "routes": ["/a/:id", "/b/*"],
        "upstream": "https://orders.example",
        "rewriteLocationHeader": False,
        "passHostHeader": True,
    }
    assert proxies({"gateway": {"applications": [{"id": "orders", "proxy": proxy}]}}) == [
        ProxyOptions(
            id="orders",
            prefix="/v1/orders",
            rewrite_prefix="/internal",
            origin="https://orders.example",
            hostname="orders.example",
            methods=frozenset({"GET", "POST"}),
            routes=("/a/:id", "/b/*"),
            rewrite_location=False,
            pass_host_header=True,
        )
    ]


def test_several_hosts_have_a_service_each_at_their_root() -> None:
    applications = [{"id": "api", "proxy": {"hostname": "A.example"}}]
    applications += [{"id": name, "proxy": {"hostname": f"{name}.example", "prefix": "/"}} for name in ("b", "c")]
    origin = {"origin": "http://127.0.0.1:9"}
    found = proxies({"gateway": {"applications": [{**each, **origin} for each in applications]}})
    assert [(proxy.hostname, proxy.prefix) for proxy in found] == [
        ("a.example", ""),
        ("b.example", ""),
        ("c.example", ""),
    ]


def test_what_is_not_to_be_proxied() -> None:
    applications: list[dict[str, Any]] = [
        {"id": "api", "proxy": False},
        {"id": "kafka-hooks", "openapi": False, "proxy": False},
    ]
    assert proxies({"gateway": {"applications": applications}}) == []


def test_a_service_that_is_left_out_has_no_route() -> None:
    entries = [{"id": "api"}, {"id": "admin", "proxy": {"hostname": "admin.example"}}]
    placement = Placement(id="gateway", path=Path("/app"), services=("gateway", "api"), left_out=frozenset({"admin"}))
    configured = TYPE.configure({"gateway": {"applications": entries}}, placement)
    assert isinstance(configured.options, GatewayOptions)
    assert [proxy.id for proxy in configured.options.proxies] == ["api"]
    assert configured.calls == ("api",)


def test_trust_proxy() -> None:
    options = configure({"server": {"trustProxy": True}}).options
    assert isinstance(options, GatewayOptions)
    assert options.trust_proxy


@pytest.mark.parametrize(
    ("applications", "message", "hint"),
    [
        ([{"id": "apo"}], "does not have", "did you mean 'api'?"),
        ([{"id": "gateway"}], "does not have", "kafka-hooks, api"),
        ([{"id": "kafka-broker"}], "does not have", ""),
        ([{"id": "api", "proxy": {"upstream": "ftp://x"}}], "not an origin", ""),
        ([{"id": "api", "origin": "http://x/path"}], "not an origin", "rewritePrefix"),
        ([{"id": "api"}, {"id": "kafka-hooks", "proxy": {"prefix": "api"}}], "same prefix '/api'", ""),
        (
            [{"id": name, "proxy": {"hostname": "a.example", "prefix": "/"}} for name in ("api", "kafka-hooks")],
            "same prefix '/' for the host 'a.example'",
            "",
        ),
        ([{"id": "api", "proxy": {"routes": ["/*/x"]}}], "not a route", ""),
    ],
)
def test_problems(applications: list[dict[str, Any]], message: str, hint: str) -> None:
    with pytest.raises(OptionsError) as caught:
        configure({"gateway": {"applications": applications}})
    problem = caught.value.problems[0]
    assert message in problem.message
    assert hint in problem.hint
    assert problem.key.startswith("gateway.applications")


PLUGIN = replace(PLACEMENT, routes={"/health": "health"})


def test_a_plugins_path_leads_to_its_service() -> None:
    configured = TYPE.configure({"gateway": {"applications": [{"id": "api", "proxy": {"prefix": "/"}}]}}, PLUGIN)
    assert isinstance(configured.options, GatewayOptions)
    _, plugin = configured.options.proxies
    assert (plugin.prefix, plugin.rewrite_prefix, plugin.origin) == ("/health", "/health", "http://health.plt.local")
    assert plugin.plugin
    assert configured.calls == ("api", "health")
    assert configured.public_paths == {"api": "/", "health": "/health"}


def test_a_users_route_is_not_shadowed_by_a_plugin() -> None:
    document = {"gateway": {"applications": [{"id": "api", "proxy": {"prefix": "/health/"}}]}}
    with pytest.raises(OptionsError) as raised:
        TYPE.configure(document, PLUGIN)
    (problem,) = raised.value.problems
    assert problem.key == "gateway.applications[0]"
    assert "'api'" in problem.message
    assert '"/health/kafka"' in problem.hint


def test_a_users_route_to_the_plugins_service_is_enough() -> None:
    document = {"gateway": {"applications": [{"id": "health", "proxy": {"prefix": "/health"}}]}}
    placement = replace(PLUGIN, services=("gateway", "health"))
    configured = TYPE.configure(document, placement)
    assert isinstance(configured.options, GatewayOptions)
    (proxy,) = configured.options.proxies
    assert not proxy.plugin


def access_log(value: Any) -> AccessLogOptions | None:
    options = configure({"server": {"accessLog": value}}).options
    assert isinstance(options, GatewayOptions)
    return options.access_log


def test_the_access_log_is_off_by_default() -> None:
    assert access_log(False) is None
    assert access_log({"enabled": False, "file": "a.log"}) is None
    assert access_log(True) == access_log("json") == AccessLogOptions()
    assert access_log("combined") == AccessLogOptions(format=AccessLogFormat.COMBINED)


def test_the_file_of_the_access_log() -> None:
    log = access_log({"file": "logs/a.log", "maxSize": 2, "interval": "day", "query": "omit"})
    rotation = Rotation(max_size=2 * 1024 * 1024, max_files=8, interval=86400)
    assert log == AccessLogOptions(file=Path("/app/logs/a.log"), rotation=rotation, query=QueryForm.OMIT)


def test_the_size_of_the_access_log_needs_a_file() -> None:
    validator = Draft202012Validator(pywatt_schemas.load("gateway"))
    assert not validator.is_valid({"server": {"accessLog": {"maxSize": 2}}})
