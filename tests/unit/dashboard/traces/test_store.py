"""The store keeps the newest traces whole, within its size."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any

import pytest
from quart import Quart

from pywatt.channel.messages import Answer
from pywatt.metrics.received import ReceivedMetrics
from pywatt_services.dashboard.otlp.spans import Span
from pywatt_services.dashboard.receiver import BATCH, JSON, otlp_routes, unpacked
from pywatt_services.dashboard.traces.routes import trace_routes
from pywatt_services.dashboard.traces.store import MOST_SPANS_OF_TRACE, TraceStore

SECOND = 10**9


def span(trace: int, number: int = 1, parent: int = 0, **changes: Any) -> Span:
    values: dict[str, Any] = {
        "trace": f"{trace:032x}",
        "span": f"{number:016x}",
        "parent": f"{parent:016x}" if parent else "",
        "name": f"GET /{trace}",
        "kind": "server",
        "service": "api",
        "start": trace * SECOND,
        "end": trace * SECOND + SECOND // 10,
        "attributes": {},
    }
    return Span(**{**values, **changes})


def test_a_trace_is_named_by_its_root_whatever_came_first() -> None:
    store = TraceStore()
    store.add([span(1, 2, 1, name="inner", service="db", error=True, end=3 * SECOND), span(1, 1, name="outer")])
    (row,) = store.list()
    assert (row["name"], row["service"], row["services"]) == ("outer", "api", ["api", "db"])
    assert (row["spans"], row["errors"], row["start"], row["duration"]) == (2, 1, 1.0, 2.0)


def test_lists_are_newest_slowest_failing_or_matching() -> None:
    store = TraceStore()
    store.add([span(1, end=5 * SECOND), span(2, error=True), span(3, attributes={"user": "Ann"}, service="web")])
    assert [row["name"] for row in store.list()] == ["GET /3", "GET /2", "GET /1"]
    assert [row["name"] for row in store.list(slowest=True, limit=1)] == ["GET /1"]
    assert [row["name"] for row in store.list(errors=True)] == ["GET /2"]
    assert [row["name"] for row in store.list(text="ann")] == ["GET /3"]
    assert [row["name"] for row in store.list(service="web")] == ["GET /3"]


def test_memory_is_bounded() -> None:
    store = TraceStore(most_bytes=20_000)
    for number in range(1, 1000):
        store.add([span(number, attributes={"text": "x" * 200})])
    assert store.size <= 20_000
    assert store.forgotten + len(store.traces) == 999
    assert store.list(limit=1)[0]["name"] == "GET /999"
    store.add(span(5000, number) for number in range(1, MOST_SPANS_OF_TRACE + 11))
    assert store.traces[f"{5000:032x}"].left_out == 10


def test_what_was_kept_is_loaded_again() -> None:
    first, second = TraceStore(), TraceStore()
    lines = first.add([span(1), span(2, events=({"time": 1, "name": "e", "attributes": {}},))])
    second.load([*lines, b'{"trace": "cut off', b"[]"])
    assert second.list() == first.list()


async def test_routes_take_and_show_spans() -> None:
    app = Quart(__name__)
    store, metrics, logged = TraceStore(), ReceivedMetrics({}), list[Any]()

    async def ask(command: str, arguments: Mapping[str, Any]) -> Answer:
        logged.append((command, arguments["records"]))
        return Answer(0, {})

    app.register_blueprint(trace_routes(store))
    app.register_blueprint(otlp_routes(store, None, metrics, ask))
    client = app.test_client()
    body = (
        b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0a", "spanId": "01", "name": "GET /",'
        b' "startTimeUnixNano": "1", "endTimeUnixNano": "2"}]}]}]}'
    )
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert (await client.post("/v1/traces", data=gzip.compress(body), headers=headers)).status_code == 200
    assert (await (await client.get("/api/v1/traces")).get_json())["traces"][0]["name"] == "GET /"
    assert (await (await client.get("/api/v1/traces/0A")).get_json())["spanList"][0]["span"] == "01"
    assert (await client.get("/api/v1/traces/0b")).status_code == 404
    for path in ("traces", "metrics", "logs"):
        assert (await client.post(f"/v1/{path}", data=b"x", headers=headers)).status_code == 400
        assert (await client.post(f"/v1/{path}", data=b"[]", headers={"Content-Type": JSON})).status_code == 400
    records = [{"body": {"stringValue": str(number)}} for number in range(BATCH + 1)]
    document = {"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}
    assert (await client.post("/v1/logs", json=document)).status_code == 200
    assert [(command, len(batch)) for command, batch in logged] == [("log", BATCH), ("log", 1)]
    part: dict[str, Any] = {"metrics": [{"name": "n", "gauge": {"dataPoints": [{"asInt": "3"}]}}]}
    export = {"resourceMetrics": [{"scopeMetrics": [part]}]}
    assert (await client.post("/v1/metrics", json=export)).status_code == 200
    assert [number for number, _ in metrics.readings().numbers.values()] == [3]
    assert (await client.post("/v1/traces", data=b"x", headers={"Content-Type": "text/plain"})).status_code == 415


def test_a_body_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="more than"):
        unpacked(gzip.compress(bytes(33 * 1024 * 1024)), "gzip")
    with pytest.raises(ValueError, match="not known"):
        unpacked(b"", "br")
