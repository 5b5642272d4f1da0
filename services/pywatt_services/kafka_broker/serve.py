"""Runs the embedded broker inside its own worker."""

from __future__ import annotations

import logging
from contextlib import ExitStack

from pywatt.errors import MissingExtra, StartError
from pywatt.service_type import ServiceContext
from pywatt_kafka.brokers.embedded import RETAINED_BYTES, EmbeddedBroker
from pywatt_kafka.connection.addresses import BROKERS_VARIABLE, EMBEDDED_VARIABLE
from pywatt_kafka.errors import BrokerFailed, MissingDependency
from pywatt_services.kafka_broker.options import BrokerOptions

logger = logging.getLogger("pywatt.kafka_broker")

MEGABYTE = 1024 * 1024


async def serve(options: BrokerOptions, context: ServiceContext) -> None:
    """Start the broker, export its address as `KAFKA_BROKERS`, and keep it until asked to stop."""
    with ExitStack() as stack:
        try:
            broker = stack.enter_context(EmbeddedBroker(options.brokers))
        except MissingDependency as error:
            raise MissingExtra("confluent-kafka", "embedded", needed_by="the embedded Kafka broker") from error
        except BrokerFailed as error:
            raise StartError(error.message, hint=error.hint) from error
        logger.warning(
            "THE EMBEDDED KAFKA BROKER IS IN MEMORY at %s: it keeps %d MB per partition and nothing after a stop. "
            "For a real one run `pywatt kafka start` and set %s.",
            broker.address,
            RETAINED_BYTES // MEGABYTE,
            BROKERS_VARIABLE,
        )
        exports = {BROKERS_VARIABLE: broker.address, EMBEDDED_VARIABLE: broker.address}
        await context.ready(http=False, exports=exports)
        await context.stop_requested()
