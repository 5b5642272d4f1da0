"""Chooses the Kafka library beneath a client: aiokafka, or librdkafka (the package confluent-kafka)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pywatt_kafka.aiokafka.client import require_aiokafka
from pywatt_kafka.aiokafka.coordinator.protocol_versions import serves_consumer_protocol
from pywatt_kafka.aiokafka.group import AiokafkaGroup
from pywatt_kafka.aiokafka.producer import AiokafkaProducer
from pywatt_kafka.aiokafka.security import security_settings
from pywatt_kafka.engine.protocols import GroupEngine, ProducerEngine
from pywatt_kafka.engine.settings import EngineName, GroupSettings, ProducerSettings
from pywatt_kafka.engine.share_group import ShareGroupEngine, ShareSettings
from pywatt_kafka.engine.topic_names import check_topic_name
from pywatt_kafka.errors import KafkaError, MissingDependency
from pywatt_kafka.security.options import Security


def require(engine: EngineName) -> None:
    """Import the library of an engine. Raises MissingDependency."""
    require_aiokafka()  # both engines use it: for topics, lag
    if engine == "rdkafka":
        try:
            import confluent_kafka  # noqa: F401
        except ImportError as error:
            raise MissingDependency(
                "the engine rdkafka needs the package confluent-kafka", hint="pip install 'pywatt[rdkafka]'"
            ) from error


def producer_factory(
    engine: EngineName, brokers: tuple[str, ...], settings: ProducerSettings, security: Security
) -> Callable[[], ProducerEngine]:
    """Return a function that makes producer engines.

    Raises KafkaError when a file of `security` or an option cannot be used.
    """
    native_security = security_settings(security)
    if engine == "rdkafka":
        from pywatt_kafka.rdkafka.producer import RdkafkaProducer
        from pywatt_kafka.rdkafka.settings.producer import check_producer_options
        from pywatt_kafka.rdkafka.transactions import TransactionalRdkafkaProducer

        if settings.options:
            require(engine)
            check_producer_options(brokers, settings, security)
        if settings.transactional_id is not None:
            return lambda: TransactionalRdkafkaProducer(brokers, settings, security)
        return lambda: RdkafkaProducer(brokers, settings, security)
    _refuse_options(settings.options)
    if settings.transactional_id is not None:
        from pywatt_kafka.aiokafka.transactions import TransactionalAiokafkaProducer

        return lambda: TransactionalAiokafkaProducer(brokers, settings, native_security)
    return lambda: AiokafkaProducer(brokers, settings, native_security)


def group_factory(
    engine: EngineName, brokers: tuple[str, ...], settings: GroupSettings, security: Security
) -> Callable[[], GroupEngine]:
    """Return a function that makes group engines.

    Raises KafkaError when a file of `security`, an option or the protocol cannot be used, and UnknownTopic for a name
    that no topic can have.
    """
    for topic in settings.topics:
        check_topic_name(topic)
    native_security = security_settings(security)
    if engine == "rdkafka":
        from pywatt_kafka.rdkafka.group import RdkafkaGroup
        from pywatt_kafka.rdkafka.settings.consumer import check_group_options

        if settings.options:
            require(engine)
            check_group_options(brokers, settings, security)
        group = settings.membership.group
        has_consumer_protocol = partial(serves_consumer_protocol, brokers, native_security, group)
        return lambda: RdkafkaGroup(brokers, settings, security, has_consumer_protocol=has_consumer_protocol)
    _refuse_options(settings.options)
    if settings.membership.protocol == "consumer":
        raise KafkaError('the engine aiokafka has no protocol "consumer"', hint='choose engine="rdkafka"')
    return lambda: AiokafkaGroup(brokers, settings, native_security)


def share_group_factory(
    brokers: tuple[str, ...], settings: ShareSettings, security: Security
) -> Callable[[], ShareGroupEngine]:
    """Return a function that makes engines of share groups: librdkafka's, the only ones."""

    def make() -> ShareGroupEngine:
        from pywatt_kafka.rdkafka.share_group import RdkafkaShareGroup

        return RdkafkaShareGroup(brokers, settings, security)

    return make


def _refuse_options(options: Mapping[str, Any]) -> None:
    if options:
        raise KafkaError(
            f"options ({', '.join(options)}) are librdkafka's: the engine aiokafka has none",
            hint='choose engine="rdkafka"',
        )
