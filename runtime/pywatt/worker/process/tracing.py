"""Starts the tracing of a worker, before its application is imported."""

from __future__ import annotations

import atexit
from collections.abc import Mapping

from pywatt.errors import MissingExtra
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.telemetry import package
from pywatt.telemetry.settings import exporters_for
from pywatt.telemetry.tracing import activate
from pywatt.worker.launch_message import LaunchMessage

PROGRAM = "command"
"""The service type whose programs have an SDK of their own."""

logger = pywatt_logger("pywatt.telemetry")


def start_tracing(launch: LaunchMessage, environ: Mapping[str, str]) -> None:
    """Start OpenTelemetry if it is configured, and the user's instrumentations. Raises PywattError.

    Where only the OTEL_* variables ask for it, a worker without its packages runs without spans.
    """
    service = launch.service
    config = service.telemetry
    if config is None or service.type == PROGRAM or not exporters_for(config, environ):
        return
    if not package.is_installed():
        if config.configured:
            raise MissingExtra(package.PACKAGE, package.EXTRA, needed_by="telemetry")
        logger.debug("OTEL_* variables ask for spans, but the package %s is not installed", package.PACKAGE)
        return
    from pywatt.telemetry import sdk
    from pywatt.telemetry.instrumentations import switch_on

    started = sdk.start(
        config,
        environ,
        app=launch.app_name,
        service=service.id,
        slot=launch.slot,
        production=launch.production,
    )
    # The first to be registered is the last to be called: after the application's own exit handlers.
    atexit.register(started.stop)
    activate(started.tracing)
    switch_on(config.instrumentations)
