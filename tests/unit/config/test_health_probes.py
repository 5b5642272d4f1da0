from __future__ import annotations

from typing import Any

import pytest

from pywatt.config.model import HealthProbesConfig, ProbeEndpointConfig, ProbePolicy, ProbeResponse

API = {"id": "api", "path": "api"}
LIVENESS = ProbeEndpointConfig(endpoint="/status", policy=ProbePolicy(services=()))


def root(**keys: Any) -> dict[str, Any]:
    return {"watt.json": {"web": [API], **keys}, "api/app.py": ""}


def test_off_unless_asked_for(app: Any) -> None:
    assert app.load(root()).health_probes is None
    assert app.load(root(healthProbes=False)).health_probes is None
    assert app.load(root(healthProbes={"enabled": False}, metrics=True)).health_probes is None


def test_defaults(app: Any) -> None:
    assert app.load(root(healthProbes=True)).health_probes == HealthProbesConfig(liveness=LIVENESS, shutdown_delay=5.0)
    assert app.load(root(healthProbes=True), production=False).health_probes.shutdown_delay == 0.0
    assert (
        app.load({**root(), "watt.json": {"web": [API], "runtime": {"healthProbes": True}}}).health_probes is not None
    )


def test_all_keys(app: Any) -> None:
    block = {
        "hostname": "127.0.0.1",
        "port": 8080,
        "readiness": {
            "endpoint": "/up",
            "success": {"body": "OK"},
            "fail": {"statusCode": 500, "body": "ERR"},
            "policy": ["api"],
            "acceptDegraded": False,
        },
        "liveness": False,
        "shutdownDelay": 250,
    }
    assert app.load(root(healthProbes=block)).health_probes == HealthProbesConfig(
        hostname="127.0.0.1",
        port=8080,
        readiness=ProbeEndpointConfig(
            endpoint="/up",
            success=ProbeResponse(body="OK"),
            fail=ProbeResponse(status=500, body="ERR"),
            policy=ProbePolicy(services=("api",)),
            accept_degraded=False,
        ),
        liveness=None,
        shutdown_delay=0.25,
    )
    any_one = app.load(root(healthProbes={"liveness": {"policy": "any"}})).health_probes
    assert any_one.liveness.policy == ProbePolicy(any=True)


def test_server_of_metrics_has_the_endpoints(app: Any) -> None:
    metrics = {"hostname": "127.0.0.1", "port": 9191, "readiness": {"endpoint": "/up"}, "liveness": False}
    found = app.load(root(metrics=metrics)).health_probes
    assert (found.hostname, found.port, found.readiness.endpoint, found.liveness) == ("127.0.0.1", 9191, "/up", None)
    assert found.shutdown_delay == 0.0
    own = app.load(root(metrics=metrics, healthProbes={"port": 9292})).health_probes
    assert (own.hostname, own.port, own.readiness.endpoint) == ("127.0.0.1", 9292, "/up")


@pytest.mark.parametrize(
    ("block", "key"),
    [
        ({"readiness": {"policy": ["apo"]}}, "healthProbes.readiness.policy[0]"),
        ({"liveness": {"policy": ["api", "web"]}}, "healthProbes.liveness.policy[1]"),
        ({"readiness": {"endpoint": "ready"}}, "healthProbes.readiness.endpoint"),
        ({"readiness": {"fail": {"statusCode": 99}}}, "healthProbes.readiness.fail.statusCode"),
        ({"ready": True}, "healthProbes.ready"),
    ],
)
def test_malformed_values_are_problems_with_their_key(app: Any, block: dict[str, Any], key: str) -> None:
    (problem,) = app.problems(root(healthProbes=block))
    assert (problem.file, problem.key) == ("watt.json", key)
    assert problem.hint
