"""Reads the key `healthProbes` of the root file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pywatt.config.metrics_model import MetricsConfig
from pywatt.config.model import HealthProbesConfig, ProbeEndpointConfig, ProbePolicy, ProbeResponse
from pywatt.config.supervision import MILLISECONDS

SHUTDOWN_DELAY = 5.0
"""Seconds, in production."""
LIVENESS_PATH = "/status"


def health_probes_config(
    value: bool | Mapping[str, Any] | None, *, metrics: MetricsConfig | None, endpoints: Any, production: bool
) -> HealthProbesConfig | None:
    """Return the settings in a value that passed its schema; None: there are no endpoints.

    Without the key, the server of metrics has the endpoints, as in the original, and a stop does not wait for anybody.
    `endpoints`: the key `metrics`, which may describe them.
    """
    server = metrics.server if metrics is not None else None
    shared: Mapping[str, Any] = endpoints if isinstance(endpoints, dict) else {}
    if value is None:
        if server is None:
            return None
        value = {"shutdownDelay": 0}
    block: Mapping[str, Any] = {"enabled": value} if isinstance(value, bool) else value
    if not block.get("enabled", True):
        return None
    block = {**{name: shared[name] for name in ("readiness", "liveness") if name in shared}, **block}
    defaults = HealthProbesConfig()
    if server is not None:
        defaults = HealthProbesConfig(hostname=server.hostname, port=server.port)
    delay = block.get("shutdownDelay")
    return HealthProbesConfig(
        hostname=block.get("hostname", defaults.hostname),
        port=block.get("port", defaults.port),
        readiness=_endpoint(block.get("readiness", True), ProbeEndpointConfig()),
        liveness=_endpoint(
            block.get("liveness", True), ProbeEndpointConfig(endpoint=LIVENESS_PATH, policy=ProbePolicy(services=()))
        ),
        shutdown_delay=delay / MILLISECONDS if delay is not None else SHUTDOWN_DELAY if production else 0.0,
    )


def policy_services(value: Any) -> tuple[tuple[tuple[str | int, ...], str], ...]:
    """Return key path and id of each service that the policies in a valid value name."""
    found: list[tuple[tuple[str | int, ...], str]] = []
    for name in ("readiness", "liveness") if isinstance(value, dict) else ():
        endpoint = value.get(name)
        policy = endpoint.get("policy") if isinstance(endpoint, Mapping) else None
        if isinstance(policy, (list, tuple)):
            found += [((name, "policy", index), str(service)) for index, service in enumerate(policy)]
    return tuple(found)


def _endpoint(value: bool | Mapping[str, Any], defaults: ProbeEndpointConfig) -> ProbeEndpointConfig | None:
    if value is False:
        return None
    block: Mapping[str, Any] = {} if value is True else value
    return ProbeEndpointConfig(
        endpoint=block.get("endpoint", defaults.endpoint),
        success=_response(block.get("success", {})),
        fail=_response(block.get("fail", {})),
        policy=_policy(block["policy"]) if "policy" in block else defaults.policy,
        accept_degraded=block.get("acceptDegraded", defaults.accept_degraded),
    )


def _response(block: Mapping[str, Any]) -> ProbeResponse:
    return ProbeResponse(status=block.get("statusCode"), body=block.get("body"))


def _policy(value: str | Sequence[str]) -> ProbePolicy:
    if isinstance(value, str):
        return ProbePolicy(any=value == "any")
    return ProbePolicy(services=tuple(value))
