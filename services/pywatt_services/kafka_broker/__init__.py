"""The service type `kafka-broker`: the embedded Kafka broker, which pywatt starts when a config says `embedded`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pywatt.service_type import Configured, Placement, Requirement, ServiceContext, ServiceType
from pywatt_schemas import load
from pywatt_services.kafka_broker.options import BrokerOptions

__all__ = ["TYPE", "BrokerOptions", "KafkaBrokerType"]


class KafkaBrokerType:
    """Runs the embedded broker and exports its address to the services that start later."""

    name = "kafka-broker"
    aliases = ()
    uses_mesh = False
    imports_code = False
    preload = ()
    """Nothing: confluent-kafka's threads must not exist in a process that forks."""

    @property
    def schema(self) -> Mapping[str, Any]:
        """JSON Schema of the service's own document."""
        return load("kafka-broker")

    def detect(self, folder: Path) -> bool:
        """Never: it has no folder of its own."""
        return False

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        """Return the options; the schema has checked everything."""
        needs = Requirement(
            module="confluent_kafka", package="confluent-kafka", extra="embedded", needed_by="the embedded Kafka broker"
        )
        return Configured(options=BrokerOptions(brokers=document.get("brokers", 1)), requires=(needs,))

    async def serve(self, options: BrokerOptions, context: ServiceContext) -> None:
        """Run the broker until asked to stop. Raises MissingExtra and StartError."""
        from pywatt_services.kafka_broker.serve import serve

        await serve(options, context)


TYPE: ServiceType = KafkaBrokerType()
