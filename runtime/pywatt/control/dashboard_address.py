"""The URL of the dashboard (pure)."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from urllib.parse import quote

from pywatt.config.model import ServiceConfig
from pywatt.telemetry.instance import INSTANCE, RESOURCE

LIVELY = {
    "OTEL_BSP_SCHEDULE_DELAY": "1000",
    "OTEL_BLRP_SCHEDULE_DELAY": "1000",
    "OTEL_METRIC_EXPORT_INTERVAL": "5000",
}
"""Milliseconds after which an SDK sends: its own, up to 60 s for metrics, suit no live page."""
ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of the machine, by one that a browser on it can use."""


def dashboard_url(address: socket.socket, token: str | None) -> str:
    """Return the URL of its listening socket.

    The token stands in the fragment, which browsers send to nobody: no log and no Referer header gets it.
    """
    name: str
    name, port = address.getsockname()[:2]
    host = ANY.get(name, name)
    place = f"[{host}]" if ":" in host else host
    return f"http://{place}:{port}/" + (f"#token={token}" if token is not None else "")


def telemetry_variables(url: str, token: str, service: ServiceConfig) -> Mapping[str, str]:
    """Return the variables with which an OpenTelemetry SDK of any language sends to the dashboard.

    None where the service's configuration or its environment says where telemetry goes: the token is for here alone.
    """
    telemetry = service.telemetry
    configured = telemetry is not None and (telemetry.disabled or bool(telemetry.exporters))
    if configured or any(name.startswith("OTEL_") for name in service.env):
        return {}
    return {
        **LIVELY,
        RESOURCE: f"{INSTANCE}={service.id}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": url.rstrip("/"),
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={quote(f'Bearer {token}')}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
