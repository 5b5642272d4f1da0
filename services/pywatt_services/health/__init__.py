"""The service type `health`: the app's health as one HTTP view, with the lag of Kafka consumer groups.

It is also what the block `plugins` of the original's package becomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pywatt.service_type import Configured, Placement, ServiceContext, ServiceType
from pywatt_schemas import load
from pywatt_services.health.options import HealthOptions, configure, plugin_path

__all__ = ["TYPE", "HealthType"]


class HealthType:
    """Serves the app's health."""

    name = "health"
    aliases = ("@platformatic/watt-plugin-kafka-health",)
    imports_code = False
    preload = ("pywatt.worker.asgi.uvicorn_engine", "pywatt_services.health.serve")

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the service's own document."""
        return load("health")

    def detect(self, folder: Path) -> bool:
        """Return False: the type has to be named."""
        return False

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Return the options. Raises OptionsError for a group without brokers, or brokers without a group."""
        return configure(document, placement)

    def plugin_path(self, plugins: Sequence[Mapping[str, Any]]) -> str:
        """Return the path at the entrypoint for the block `plugins`."""
        return plugin_path(plugins)

    async def serve(self, options: HealthOptions, context: ServiceContext) -> None:
        """Serve until asked to stop."""
        from pywatt_services.health.serve import serve

        await serve(options, context)


TYPE: ServiceType = HealthType()
