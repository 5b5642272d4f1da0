from __future__ import annotations

import math
from typing import Any

import pytest

from pywatt.cli.top.figures import Counts, Reading, figures, has_failed, quantile, reading


def row(service: str, **more: Any) -> dict[str, Any]:
    worker = {"memory": {"pss": 10, "rss": 20}, "cpu": 0.25}
    filled = {"id": service, "entrypoint": False, "state": "ready", "ready": 2, "restarts": 1, "detail": ""}
    return {**filled, "workers": [worker, worker], **more}


def family(name: str, *values: tuple[dict[str, str], float], sample: str = "") -> dict[str, Any]:
    return {"name": name, "values": [{"metricName": sample or name, "labels": it, "value": n} for it, n in values]}


def answer(*found: dict[str, Any]) -> dict[str, Any]:
    return {"counting": True, "metrics": list(found)}


def of_one(older: Reading, newer: Reading) -> Any:
    (only,) = figures(older, newer)
    return only


def test_rate_errors_and_latency_are_those_of_the_time_between_the_readings() -> None:
    counts = [
        Counts(100, 0, {0.1: 100, math.inf: 100}),
        Counts(140, 10, {0.1: 100, 0.2: 140, math.inf: 140}),
    ]
    older, newer = (
        Reading(time=time, rows=[row("api")], counts={"api": each}, lag={}, counting=True)
        for time, each in zip((5.0, 15.0), counts, strict=True)
    )
    seen = of_one(older, newer)
    assert (seen.requests, seen.errors, seen.latency) == (4.0, 0.25, pytest.approx(0.195))
    assert (seen.memory, seen.cpu, seen.restarts, seen.ready, seen.workers) == (20, 0.5, 1, 2, 2)
    quiet = of_one(newer, newer)
    assert (quiet.requests, quiet.errors, quiet.latency) == (0.0, None, None)
    anew = of_one(newer, older)
    assert (anew.requests, anew.errors, anew.latency) == (0.0, None, None), "counters that fell are no negative rate"


def test_what_a_service_counts_itself_comes_before_what_its_callers_count() -> None:
    found = reading(
        0.0,
        [row("api"), row("node")],
        answer(
            family("pywatt_http_requests_total", ({"app_id": "api", "status": "2xx"}, 3)),
            family("pywatt_mesh_requests_total", ({"caller": "gateway", "callee": "api", "status": "2xx"}, 99)),
            family(
                "pywatt_mesh_requests_total",
                ({"caller": "gateway", "callee": "node", "status": "2xx"}, 4),
                ({"caller": "api", "callee": "node", "status": "error"}, 1),
            ),
            family(
                "pywatt_mesh_request_duration_seconds",
                ({"caller": "gateway", "callee": "node", "le": "+Inf"}, 4),
                sample="pywatt_mesh_request_duration_seconds_bucket",
            ),
        ),
        "app_id",
    )
    assert found.counts["api"].requests == 3
    node = found.counts["node"]
    assert (node.requests, node.failed, node.buckets) == (5, 1, {math.inf: 4})


def test_lag_is_the_sum_of_the_partitions() -> None:
    lag = family(
        "kafka_hooks_consumer_lag",
        ({"service": "hooks", "topic": "a", "partition": "0"}, 3),
        ({"service": "hooks", "topic": "a", "partition": "1"}, 4),
    )
    found = reading(0.0, [row("hooks"), row("api")], answer(lag))
    hooks, api = figures(found, found)
    assert (hooks.lag, api.lag) == (7, None)


def test_a_service_without_workers_shows_what_is_known() -> None:
    found = reading(0.0, [row("api", workers=[], ready=0, detail=None, state="stopped")], answer())
    seen = of_one(found, found)
    assert (seen.memory, seen.cpu, seen.requests, seen.detail, seen.workers) == (None, None, None, "", 0)


@pytest.mark.parametrize(
    ("share", "buckets", "expected"),
    [
        (0.5, {}, None),
        (0.5, {1.0: 0, math.inf: 0}, None),
        (0.5, {1.0: 10, math.inf: 10}, 0.5),
        (0.95, {1.0: 50, 2.0: 100, math.inf: 100}, 1.9),
        (0.95, {1.0: 0, 2.0: 100, math.inf: 100}, 1.95),
        (0.95, {1.0: 50, math.inf: 100}, 1.0),
    ],
)
def test_quantiles(share: float, buckets: dict[float, float], expected: float | None) -> None:
    assert quantile(share, buckets) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("status", "failed"),
    [("2xx", False), ("4xx", False), ("5xx", True), ("503", True), ("error", True), ("aborted", False), ("", False)],
)
def test_failures(status: str, failed: bool) -> None:
    assert has_failed(status) is failed
