"""Reads the key `metrics` of the root file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pywatt.config.model import MetricsConfig, MetricsServerConfig
from pywatt.config.supervision import MILLISECONDS


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
        labels=dict(block.get("labels", {})),
        application_label=block.get("applicationLabel", defaults.application_label),
        per_worker=block.get("perWorker", defaults.per_worker),
        timeout=block["timeout"] / MILLISECONDS if "timeout" in block else defaults.timeout,
    )
