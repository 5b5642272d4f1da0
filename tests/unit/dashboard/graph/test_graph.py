"""The graph's parts from configuration, metrics and spans."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest

from pywatt_services.dashboard.graph.counters import counts_of_metrics
from pywatt_services.dashboard.graph.declared import Declared, declared
from pywatt_services.dashboard.graph.live_graph import graph_document
from pywatt_services.dashboard.graph.model import Counts, Traffic, p95_of_buckets
from pywatt_services.dashboard.graph.spans import traffic_of_spans
from pywatt_services.dashboard.graph.window import Window
from pywatt_services.dashboard.otlp.spans import Span
from pywatt_services.dashboard.traces.store import TraceStore

NOW = 1000.0
GATEWAY, API, HOOKS, ORDERS, OUTSIDE = (
    "service:gateway",
    "service:api",
    "service:hooks",
    "topic:orders",
    "target:example.com:8080",
)
SERVICES: list[Mapping[str, Any]] = [
    {
        "id": "gateway",
        "type": "gateway",
        "options": {"proxies": [{"origin": "http://api.plt.local"}, {"origin": "http://HOOKS.plt.local/x"}]},
    },
    {"id": "api", "type": "python", "options": {}},
    {
        "id": "hooks",
        "type": "kafka-hooks",
        "options": {
            "webhooks": [
                {"topic": "orders", "url": "http://user:pw@example.com:8080/{{key}}", "dlq": "dead"},
                {"topic": "logs", "url": "http://api.plt.local/", "dlq": None},
                {"topic": "bad", "url": "http://[{{host}}/", "dlq": None},
            ],
            "request_replies": [{"request_topic": "asked", "response_topic": "answered"}],
        },
    },
]


@pytest.fixture
def app() -> Declared:
    rows = [{"id": service["id"], "internal": False, "entrypoint": service["id"] == "gateway"} for service in SERVICES]
    return declared([*SERVICES, {"id": "gone", "type": "python"}], [*rows, {"id": "pywatt.control", "internal": True}])


def family(name: str, *values: tuple[str, Mapping[str, str], float]) -> dict[str, Any]:
    return {
        "name": name,
        "values": [{"metricName": name + suffix, "labels": labels, "value": value} for suffix, labels, value in values],
    }


def span(number: int, kind: str, service: str, parent: int = 0, **changes: Any) -> Span:
    values: dict[str, Any] = {
        "trace": "1",
        "span": str(number),
        "parent": str(parent) if parent else "",
        "name": "",
        "kind": kind,
        "service": service,
        "start": int((NOW - 20) * 1e9),
        "end": int((NOW - 20 + 0.1) * 1e9),
        "attributes": {},
    }
    return Span(**{**values, **changes})


def figures(traffic: Traffic) -> tuple[float, float, float | None]:
    return traffic.rate, traffic.errors, traffic.p95


def test_the_configuration_tells_routes_topics_and_targets(app: Declared) -> None:
    assert app.links == {
        ("clients", GATEWAY),
        (GATEWAY, API),
        (GATEWAY, HOOKS),
        (ORDERS, HOOKS),
        (HOOKS, OUTSIDE),
        (HOOKS, "topic:dead"),
        ("topic:logs", HOOKS),
        (HOOKS, API),
        ("topic:bad", HOOKS),
        (HOOKS, "target:http://[{{host}}/"),
        (HOOKS, "topic:asked"),
        ("topic:answered", HOOKS),
    }
    assert "service:gone" not in app.nodes


def test_metrics_become_counts_of_links(app: Declared) -> None:
    found = counts_of_metrics(
        [
            family(
                "pywatt_mesh_requests_total",
                ("", {"caller": "gateway", "callee": "api", "status": "2xx"}, 90),
                ("", {"caller": "gateway", "callee": "api", "status": "5xx"}, 9),
                ("", {"caller": "gateway", "callee": "api", "status": "error"}, 1),
                ("", {"caller": "pywatt.control", "callee": "hooks", "status": "2xx"}, 7),
            ),
            family(
                "pywatt_mesh_request_duration_seconds",
                ("_bucket", {"caller": "gateway", "callee": "api", "le": "0.1"}, 50),
                ("_bucket", {"caller": "gateway", "callee": "api", "le": "+Inf"}, 100),
                ("_sum", {"caller": "gateway", "callee": "api"}, 3),
            ),
            family("pywatt_gateway_requests_total", ("", {"app": "gateway", "status": "2xx"}, 100)),
            family("pywatt_http_requests_total", ("", {"app": "api", "status": "2xx"}, 100)),
            family(
                "kafka_hooks_http_request_duration_seconds",
                ("_bucket", {"app": "hooks", "topic": "orders", "status_code": "200", "le": "+Inf"}, 5),
                ("_count", {"app": "hooks", "topic": "orders", "status_code": "200"}, 5),
                ("_count", {"app": "hooks", "topic": "orders", "status_code": "timeout"}, 2),
                ("_count", {"app": "hooks", "topic": "a-1", "status_code": "404"}, 1),
            ),
            family("kafka_hooks_dlq_messages_total", ("", {"app": "hooks", "topic": "orders", "reason": "x"}, 4)),
            family("of_a_service", ("", {}, 1)),
        ],
        app,
        "app",
    )
    assert found == {
        (GATEWAY, API): Counts(100, 10, {0.1: 50, math.inf: 100}),
        ("clients", GATEWAY): Counts(100),
        (ORDERS, HOOKS): Counts(7, 2, {math.inf: 5}),
        (HOOKS, OUTSIDE): Counts(7, 2, {math.inf: 5}),
        ("topic:a-1", HOOKS): Counts(1, 1),
        (HOOKS, "topic:dead"): Counts(4),
    }


def test_spans_become_traffic_of_links(app: Declared) -> None:
    store = TraceStore()
    topic = {"messaging.destination.name": "orders"}
    store.add(
        [
            span(1, "server", "shop-gateway"),
            span(2, "client", "shop-gateway", 1, attributes={"server.address": "api.plt.local"}),
            span(3, "server", "shop-api", 2, error=True),
            span(4, "internal", "shop-api", 3),
            span(5, "client", "shop-api", 3, attributes={"server.address": "example.org", "server.port": 443}),
            span(6, "producer", "shop-hooks", 5, attributes=topic),
            span(7, "consumer", "shop-hooks", 6, attributes=topic),
            span(8, "server", "shop-hooks", 3, start=0, end=1),
        ]
    )
    found, nodes = traffic_of_spans(store.traces.values(), app, NOW)
    assert set(found) == {
        ("clients", GATEWAY),
        (GATEWAY, API),
        (API, "target:example.org:443"),
        (API, HOOKS),
        (HOOKS, ORDERS),
        (ORDERS, HOOKS),
    }
    assert list(nodes) == ["target:example.org:443"]
    assert figures(found[(GATEWAY, API)]) == pytest.approx((1 / 60, 1 / 60, 0.1))


def test_spans_of_a_young_app_are_not_spread_over_a_minute(app: Declared) -> None:
    store = TraceStore()
    store.add([span(1, "server", "gateway")])
    found, _ = traffic_of_spans(store.traces.values(), app, NOW)
    assert found[("clients", GATEWAY)].rate == pytest.approx(1 / 20)


def test_hosts_that_only_spans_tell_of_are_bounded(app: Declared) -> None:
    store = TraceStore()
    store.add(
        span(number, "client", "api", attributes={"server.address": f"host{number}"}) for number in range(1, 1000)
    )
    found, nodes = traffic_of_spans(store.traces.values(), app, NOW)
    assert len(found) == len(nodes) == 60


def test_the_window_gives_rates_of_its_period() -> None:
    window, link = Window(seconds=30), ("a", "b")

    def look(at: float, total: float) -> Traffic:
        return window.add(at, {link: Counts(total, total / 10, {0.1: total / 2, 0.2: total, math.inf: total})})[link]

    assert figures(look(0, 1000)) == pytest.approx((0, 0, 0.19))
    assert figures(look(10, 1100)) == pytest.approx((10, 1, 0.19))
    assert look(20, 1300).rate == 15
    assert look(60, 1700).rate == 10  # since 20
    assert look(200, 1700).rate == 0  # nobody looked
    assert look(210, 5).rate == 0.5  # the counters have begun anew


@pytest.mark.parametrize(
    ("buckets", "p95"),
    [
        ({}, None),
        ({0.1: 0, math.inf: 0}, None),
        ({0.1: 100, math.inf: 100}, 0.095),
        ({0.1: 90, 0.2: 100, math.inf: 100}, 0.15),
        ({0.1: 10, math.inf: 100}, 0.1),
        ({0.1: 50, 0.2: 40, 0.5: 100, math.inf: 100}, 0.475),
    ],
)
def test_p95_is_the_estimate_of_prometheus(buckets: Mapping[float, float], p95: float | None) -> None:
    assert p95_of_buckets(buckets) == (None if p95 is None else pytest.approx(p95))


def test_the_document_names_both_ends_of_each_edge(app: Declared) -> None:
    traffic = {
        ("topic:a-1", HOOKS): Traffic(rate=1, errors=0, p95=None, source="metrics"),
        ("elsewhere", HOOKS): Traffic(rate=1, errors=0, p95=None, source="metrics"),
    }
    document = graph_document(app, {}, traffic, {API: "ready"})
    ids = {node["id"]: node for node in document["nodes"]}
    assert ids[API] == {"id": API, "kind": "service", "name": "api", "state": "ready"}
    assert ids["topic:a-1"]["kind"] == "topic"
    assert all(edge["from"] in ids and edge["to"] in ids for edge in document["edges"])
    assert [edge for edge in document["edges"] if edge["traffic"]] == [
        {
            "from": "topic:a-1",
            "to": HOOKS,
            "declared": False,
            "traffic": {"rate": 1, "errors": 0, "p95": None, "source": "metrics"},
        }
    ]
