"""The service type `control` and its configuration: pywatt starts the control API itself once the app has started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pywatt.config.model import LogLevel, RestartConfig, RuntimeConfig, ServiceConfig
from pywatt.config.supervision import DEVELOPMENT_DELAY, WATCHDOG
from pywatt.control.options import ControlOptions, DashboardRun
from pywatt.service_type import Configured, Placement, ServiceContext, ServiceType

CONTROL_ID = "pywatt.control"
"""Has a dot, which the id of a user's service cannot have."""
SHUTDOWN_SECONDS = 5.0
PROBED_WATCHDOG = 5.0
"""Seconds without a heartbeat while it answers an orchestrator: a hung one is replaced before three probes in a row,
ten seconds apart, can fail for it, since the app lives."""


class ControlType:
    """Serves the control API on the socket that it gets as its public one."""

    name = "control"
    aliases = ()
    uses_mesh = False
    imports_code = False
    preload = ("pywatt.control.serve",)

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the service's own document: it has none."""
        return {"type": "object", "additionalProperties": False}

    def detect(self, folder: Path) -> bool:
        """Never: it has no folder of its own."""
        return False

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Return no options."""
        return Configured(options=None)

    async def serve(self, options: ControlOptions, context: ServiceContext) -> None:
        """Serve until asked to stop."""
        from pywatt.control.serve import serve

        await serve(options, context)


TYPE: ServiceType = ControlType()


def control_service(folder: Path, config: RuntimeConfig, dashboard: DashboardRun) -> ServiceConfig:
    """Return the configuration of the control service of an app, which works in the runtime's own folder."""
    return ServiceConfig(
        id=CONTROL_ID,
        path=folder,
        type=TYPE.name,
        options=ControlOptions(folder=folder, metrics=config.metrics, probes=config.health_probes, dashboard=dashboard),
        env=dict(os.environ),
        preload=TYPE.preload,
        restart=RestartConfig(longest_delay=DEVELOPMENT_DELAY),  # commands are wanted most while something fails
        watchdog=WATCHDOG if config.health_probes is None else PROBED_WATCHDOG,
        shutdown=SHUTDOWN_SECONDS,
        log_level=LogLevel.INFO,
        internal=True,
    )
