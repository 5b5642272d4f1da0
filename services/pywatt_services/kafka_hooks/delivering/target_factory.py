"""Makes the targets of a service's topics."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from anyio.abc import TaskGroup

from pywatt.errors import MissingExtra
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions
from pywatt_services.kafka_hooks.delivering.bundling import BundlingWebhook
from pywatt_services.kafka_hooks.delivering.retry_topic import BundlingRetryTopicWebhook, RetryTopicWebhook
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreakers
from pywatt_services.kafka_hooks.delivering.target_caller import Caller, MakeCaller
from pywatt_services.kafka_hooks.delivering.targets import Targets
from pywatt_services.kafka_hooks.delivering.undelivered_writer import RecordWriter
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.metrics.delivery_metrics import DeliveryMetrics, TopicMetrics
from pywatt_services.kafka_hooks.patterns.topic_patterns import own_topics
from pywatt_services.kafka_hooks.webhooks.egress import WebhookClients
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions


def require_signing(service: KafkaHooksOptions) -> None:
    """Raise MissingExtra when a key needs a package that is not installed."""
    keys = [key for webhook in service.webhooks for key in webhook.signing_keys]
    if any(key.asymmetric for key in keys) and find_spec("cryptography") is None:
        raise MissingExtra("cryptography", "signatures", needed_by="a key that begins with whsk_")


def make_targets(
    service: KafkaHooksOptions,
    clients: WebhookClients,
    tasks: TaskGroup,
    *,
    writer: RecordWriter,
    largest_record: int,
    metrics: DeliveryMetrics,
    make_caller: MakeCaller = Caller,
) -> Targets:
    """Return the targets of each topic. `writer` takes the dead letters, of `largest_record` bytes at most."""
    breakers = TargetBreakers()

    def settings(options: WebhookOptions, topic_metrics: TopicMetrics) -> dict[str, Any]:
        return {
            "client": clients.of(options),
            "writer": writer,
            "largest_record": largest_record,
            "tasks": tasks,
            "concurrency": service.concurrency,
            "dlq_format": service.dlq_format,
            "breaker": breakers.of(options),
            "metrics": topic_metrics,
            "make_caller": make_caller,
        }

    def make(options: WebhookOptions, duplicate_index: int) -> Webhook:
        more = {"duplicate_index": duplicate_index, **settings(options, metrics.of(options.topic))}
        if options.bundle is not None:
            return BundlingWebhook(options, options.bundle, **more)
        return Webhook(options, **more)

    def make_retries(entry: WebhookOptions) -> Webhook:
        topic = entry.retry.topic or ""
        more = settings(entry, metrics.of(topic if entry.by_pattern else entry.topic))
        options = replace(entry, topic=topic, by_pattern=False)
        if options.bundle is not None:
            return BundlingRetryTopicWebhook(options, options.bundle, **more)
        return RetryTopicWebhook(options, **more)

    for entry in service.webhooks:
        clients.of(entry)  # so that it is open when a topic of the entry's pattern turns up
    return Targets(
        service.webhooks,
        make,
        make_retries,
        never=own_topics(service.webhooks, service.request_replies),
    )
