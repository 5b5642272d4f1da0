"""Lists the optional packages that a service's options need; pure."""

from __future__ import annotations

from collections.abc import Iterator

from pywatt.service_type import Requirement
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions


def requirements(options: KafkaHooksOptions) -> Iterator[Requirement]:
    """Yield the packages."""
    yield Requirement(module="aiokafka", package="aiokafka", extra="kafka", needed_by="kafka-hooks")
    if options.engine == "rdkafka" or options.is_share:
        needed_by = 'engine "rdkafka"' if options.engine == "rdkafka" else 'consumer.mode "share"'
        yield Requirement(module="confluent_kafka", package="confluent-kafka", extra="rdkafka", needed_by=needed_by)
    if options.auth is not None and options.auth.token is not None:
        yield Requirement(module="jwt", package="pyjwt", extra="jwt", needed_by="auth.jwt")
        yield Requirement(module="cryptography", package="cryptography", extra="jwt", needed_by="auth.jwt")
    if any(key.asymmetric for webhook in options.webhooks for key in webhook.signing_keys):
        yield Requirement(
            module="cryptography",
            package="cryptography",
            extra="signatures",
            needed_by="a signing key that begins with whsk_",
        )
