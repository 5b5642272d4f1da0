"""The settings of the control worker: what it hosts beside the control API."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from pywatt.config.dashboard_model import DashboardConfig
from pywatt.config.metrics_model import MetricsConfig
from pywatt.config.model import HealthProbesConfig

TOKEN_BYTES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardRun:
    """The dashboard of one run of the app, the same for each control worker that serves it."""

    config: DashboardConfig
    """Has a token. `enabled` is True if it runs with the app, None if it may be opened later, else False."""
    ingest_token: str
    """Services send their telemetry to the dashboard with this token, which opens nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """The part of the app's configuration that the control worker uses."""

    folder: Path
    """The runtime folder."""
    dashboard: DashboardRun
    metrics: MetricsConfig | None
    """None: the workers of the app count nothing."""
    probes: HealthProbesConfig | None = None
    """The health endpoints; None: there are none."""

    @property
    def probes_share(self) -> bool:
        """Return whether the health endpoints have the address of the metrics: one server then answers both."""
        server = self.metrics.server if self.metrics is not None else None
        probes = self.probes
        return (
            server is not None
            and probes is not None
            and probes.port != 0
            and (server.hostname, server.port) == (probes.hostname, probes.port)
        )


def dashboard_run(config: DashboardConfig, *, production: bool) -> DashboardRun:
    """Return the dashboard for one run of the app, with random tokens where the configuration has none."""
    enabled = config.enabled if config.enabled is not None else None if production else True
    token = config.token or secrets.token_urlsafe(TOKEN_BYTES)
    return DashboardRun(
        config=replace(config, enabled=enabled, token=token), ingest_token=secrets.token_urlsafe(TOKEN_BYTES)
    )
