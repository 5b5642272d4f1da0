"""The settings of the control worker: what it hosts beside the control API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pywatt.config.model import HealthProbesConfig, MetricsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """The part of the app's configuration that the control worker uses."""

    folder: Path
    """The runtime folder."""
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
