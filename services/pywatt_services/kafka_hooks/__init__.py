"""The service type `kafka-hooks`: records to webhooks, HTTP to records, request/response over two topics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pywatt.service_type import Configured, Placement, ServiceContext, ServiceType
from pywatt_schemas import load
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions
from pywatt_services.kafka_hooks.config.options_reader import configure

__all__ = ["TYPE", "KafkaHooksType"]


class KafkaHooksType:
    """Delivers records to webhooks, and HTTP requests to topics. Original: @platformatic/kafka-hooks."""

    name = "kafka-hooks"
    aliases = ("@platformatic/kafka-hooks",)
    imports_code = False
    preload = ("pywatt_services.kafka_hooks.serve", "aiokafka")

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the service's own document."""
        return load("kafka-hooks")

    def detect(self, folder: Path) -> bool:
        """Never: without a config file there is nothing to serve."""
        return False

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Return the options and the services that the webhooks call. Raises OptionsError."""
        return configure(document, placement)

    async def serve(self, options: KafkaHooksOptions, context: ServiceContext) -> None:
        """Run one worker. Raises MissingExtra, StartError."""
        from pywatt_services.kafka_hooks.serve import serve

        await serve(options, context)


TYPE: ServiceType = KafkaHooksType()
