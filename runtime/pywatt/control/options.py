"""The settings of the control worker: what it hosts beside the control API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pywatt.config.model import MetricsConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlOptions:
    """The part of the app's configuration that the control worker uses."""

    folder: Path
    """The runtime folder."""
    metrics: MetricsConfig | None
    """None: the workers of the app count nothing."""
