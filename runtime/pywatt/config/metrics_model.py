"""The key `metrics`: its data, and its readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MILLISECONDS = 1000
DEFAULT_INTERVAL = 60_000
"""Milliseconds between two exports; the original's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsServerConfig:
    """The server that Prometheus scrapes. Original: the same keys of `metrics`."""

    hostname: str = "0.0.0.0"
    port: int = 9090
    endpoint: str = "/metrics"
    username: str = ""
    """Empty: anybody may read."""
    password: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpMetricsConfig:
    """Sending metrics by OTLP. Original: `metrics.otlpExporter`."""

    endpoint: str
    """URL, with its path."""
    interval: float
    """Seconds."""
    headers: Mapping[str, str] = field(default_factory=dict)
    service_name: str = ""
    """Empty: the app's name."""
    service_version: str = ""
    """Empty: none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsConfig:
    """Counting and showing metrics. Original: `metrics`."""

    server: MetricsServerConfig | None = MetricsServerConfig()
    """None: only the control API shows the metrics."""
    otlp: OtlpMetricsConfig | None = None
    """None: they are not sent."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of every metric."""
    application_label: str = "service"
    """Name of the label with the id of the service."""
    per_worker: bool = False
    """True if each worker has a series of its own."""
    timeout: float = 10.0
    """Seconds that collecting may take."""


def counts_service(value: bool | Mapping[str, Any]) -> bool:
    """Return whether a service is to be counted, by the key in its own file."""
    return value if isinstance(value, bool) else bool(value.get("enabled", True))


def metrics_page(value: bool | Mapping[str, Any], default: str | None) -> str | None:
    """Return the path or URL of a service's own metrics, by the key in its own file."""
    if isinstance(value, bool):
        return default
    page: str | None = value.get("url", value.get("endpoint", default))
    return page


def metrics_config(value: bool | Mapping[str, Any]) -> MetricsConfig | None:
    """Return the settings in a value that passed its schema; None: metrics are off."""
    block: Mapping[str, Any] = {"enabled": value} if isinstance(value, bool) else value
    if not block.get("enabled", True):
        return None
    defaults, server = MetricsConfig(), MetricsServerConfig()
    auth: Mapping[str, Any] = block.get("auth", {})
    return MetricsConfig(
        server=MetricsServerConfig(
            hostname=block.get("hostname", server.hostname),
            port=block.get("port", server.port),
            endpoint=block.get("endpoint", server.endpoint),
            username=auth.get("username", ""),
            password=auth.get("password", ""),
        )
        if block.get("server", True)
        else None,
        otlp=_otlp(block["otlpExporter"]) if "otlpExporter" in block else None,
        labels=dict(block.get("labels", {})),
        application_label=block.get("applicationLabel", defaults.application_label),
        per_worker=block.get("perWorker", defaults.per_worker),
        timeout=block["timeout"] / MILLISECONDS if "timeout" in block else defaults.timeout,
    )


def _otlp(block: Mapping[str, Any]) -> OtlpMetricsConfig | None:
    if not block.get("enabled", True):
        return None
    interval = block.get("interval", DEFAULT_INTERVAL) / MILLISECONDS
    return OtlpMetricsConfig(
        endpoint=block["endpoint"],
        interval=interval,
        headers=dict(block.get("headers", {})),
        service_name=block.get("serviceName", ""),
        service_version=block.get("serviceVersion", ""),
    )
