"""The optional packages of OpenTelemetry: whether they are there, and who says so if they are not."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from pywatt.telemetry.settings import TelemetryConfig, exporters_for

EXTRA = "telemetry"
PACKAGE = "opentelemetry-sdk"
SDK_MODULES = ("pywatt.telemetry.sdk",)
"""Modules worth importing once for all workers."""


def is_installed() -> bool:
    """Return whether OpenTelemetry's SDK can be imported here."""
    try:
        return find_spec("opentelemetry.sdk.trace") is not None
    except ModuleNotFoundError:
        return False


def preload_for(config: TelemetryConfig, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the modules to import before workers are forked."""
    return SDK_MODULES if exporters_for(config, environ) and is_installed() else ()
